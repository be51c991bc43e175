"""The configuration file that a command is given: read, and its mistakes told."""

import sys
from collections.abc import Iterable
from pathlib import Path

from django.core.management.base import CommandError

from authz.configuration import Change, ConfigurationError

# Mistakes that are shown of one file.
SHOWN = 100


def read_file(name: str) -> str:
    """The text of a file, or of standard input for `-`. Raises `CommandError`."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def refusal(name: str, error: ConfigurationError) -> CommandError:
    """All mistakes, a line each, as compilers write them."""
    mistakes = error.mistakes()
    if len(mistakes) == 1:
        return CommandError(f"{name}: {str(error).rstrip('.')}. Nothing was changed.")
    lines = [f"{name}: {mistake}" for mistake in mistakes[:SHOWN]]
    more = [f"… and {len(mistakes) - SHOWN} more"] if len(mistakes) > SHOWN else []
    return CommandError("\n".join([*lines, *more, f"{len(mistakes)} mistakes. Nothing was changed."]))


def lines_of(changes: Iterable[Change]) -> list[str]:
    return [line for change in changes for line in change.lines()]
