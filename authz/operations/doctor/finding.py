"""What an examination yields."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

ERROR, WARNING = "error", "warning"

# The most objects that one finding names.
SHOWN = 20
# Seconds. A header of an unnamed proxy is reported for a day.
LATELY = 86_400.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`level` is error or warning, `about` what was examined; `says` is the problem and `do` the remedy."""

    level: str
    about: str
    says: str
    do: str


Examination = Callable[[], Iterator[Finding]]
