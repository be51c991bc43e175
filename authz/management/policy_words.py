"""Words in which `manage.py policy` answers."""

from collections.abc import Sequence

from authz.decisions import rule_history, simulation
from authz.models import Rule as RuleRow
from authz.models import RuleChange
from authz.policy import (
    Reach,
    sentence,
)

# Names in a line.
SHOWN = 10


def where(found: Reach | simulation.Shift) -> str:
    """The MCP server, and the other authorization server that it stands behind, if it does."""
    behind = f" behind {found.authorization_server}" if found.authorization_server else ""
    return f"{found.resource}{behind}"


def first_names(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def in_words(row: RuleChange | RuleRow) -> str:
    return f"{row.effect}. {sentence(rule_history.as_policy_rule(row))}"
