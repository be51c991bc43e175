"""What an examination yields."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

ERROR, WARNING = "error", "warning"

# Of what is wrong in one way, so many are named.
SHOWN = 20
# A header of a proxy that is not named is worth a word for a day.
LATELY = 86_400.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`level` is error or warning, `about` what was examined; `says` what is wrong and `do` what to do about it."""

    level: str
    about: str
    says: str
    do: str


Examination = Callable[[], Iterator[Finding]]
