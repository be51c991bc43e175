"""What the code says with which a command ends (docs/commands.md)."""

import sys
from typing import NoReturn

DONE = 0
REFUSED = 1  # it was refused, it failed, or a check found something
WRONG_CALL = 2  # the arguments or the environment are not understood; nothing was done
NO_DATABASE = 3  # the database does not answer, or has no tables
DIFFERS = 4  # `drift`: something differs from the file


def leave(code: int, message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(code)
