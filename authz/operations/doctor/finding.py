"""What an examination yields."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from authz.conf import as_called

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "do", as_called(self.do))


Examination = Callable[[], Iterator[Finding]]
