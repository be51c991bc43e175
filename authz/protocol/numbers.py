"""Numbers in what strangers send: decimal digits of ASCII, none too many, and one spelling for each number. Pure.

`str.isdecimal` knows the digits of all scripts, and `int` reads ten thousand of them, or refuses with another error.
"""

import re

# What any database's number column holds.
MAXIMUM = 2**63 - 1
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def number(text: str, *, least: int = 0, most: int = MAXIMUM) -> int | None:
    """The number that `text` is; None if it is none between `least` and `most`."""
    if _NUMBER.fullmatch(text) is None:
        return None
    found = int(text)
    return found if least <= found <= most else None
