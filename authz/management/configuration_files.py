"""The configuration file that a command is given: read, and its mistakes told."""

import sys
from collections.abc import Iterable
from pathlib import Path

from django.core.management.base import CommandError

from authz.configuration import Change, ConfigurationError

# Mistakes that are shown of one file.
SHOWN = 100


def shown_name(name: str) -> str:
    return "standard input" if name == "-" else name


def read_file(name: str) -> str:
    """The text of a file, or of standard input for `-`. Raises `CommandError`."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise CommandError(f"{shown_name(name)} cannot be read: line {line} is not UTF-8 text") from None
    except OSError as error:
        raise CommandError(f"{shown_name(name)} cannot be read: {error.strerror or error}") from None


def refusal(name: str, error: ConfigurationError, outcome: str = "") -> CommandError:
    """All mistakes, a line each, as compilers write them; `outcome` is the sentence that ends them."""
    mistakes, name = error.mistakes(), shown_name(name)
    if len(mistakes) == 1:
        return CommandError(f"{name}: {str(mistakes[0]).rstrip('.')}. {outcome}".rstrip())
    lines = [f"{name}: {str(mistake).rstrip('.')}" for mistake in mistakes[:SHOWN]]
    more = [f"… and {len(mistakes) - SHOWN} more"] if len(mistakes) > SHOWN else []
    return CommandError("\n".join([*lines, *more, f"{len(mistakes)} mistakes. {outcome}".rstrip()]))


def lines_of(changes: Iterable[Change]) -> list[str]:
    return [line for change in changes for line in change.lines()]
