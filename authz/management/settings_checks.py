"""What the checks find in the settings, a sentence each, before a command does anything."""

from collections.abc import Callable, Sequence

from django.core import checks
from django.core.management.base import CommandError

from authz.operations import secret_key


def require(tags: Sequence[str], write: Callable[[str], object]) -> None:
    """Warnings are written, a line each. Raises `CommandError` with all that the checks call an error."""
    found = [message for message in checks.run_checks(tags=list(tags)) if not message.is_silenced()]
    wrong = [_sentence(message) for message in found if message.is_serious()]
    if wrong:
        raise CommandError("\n".join(wrong))
    for message in found:
        if message.level >= checks.WARNING:
            write(f"{_sentence(message)}\n")


def require_secret_key() -> None:
    """Before something is written or signed under the secret key. Raises `CommandError` if it opens not our keys."""
    if refusal := secret_key.refusal():
        raise CommandError(refusal)


def _sentence(message: checks.CheckMessage) -> str:
    hint = f"; {message.hint}" if message.hint else ""
    return f"Settings: {str(message.msg).rstrip('.')}{hint} ({message.id})"
