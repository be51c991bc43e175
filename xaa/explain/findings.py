"""One check of an assertion that is looked at without using it up (xaa/explain/__init__.py)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from authz.protocol.errors import OAuthError


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, whether it is as it should be, and what was seen (never a token)."""

    check: str
    passed: bool
    note: str = ""


def attempt(check: Callable[[], Any]) -> Any:
    """What the check gives, or the refusal that it raises."""
    try:
        return check()
    except OAuthError as error:
        return error


def finding(check: str, outcome: object, note: str = "") -> Finding:
    """`outcome` is what `attempt` gave."""
    if isinstance(outcome, OAuthError):
        said = dict.fromkeys((outcome.reason.value, outcome.detail, note[:500]))  # a note may be the detail itself
        return Finding(check, False, ": ".join(part for part in said if part))
    return Finding(check, True, note)
