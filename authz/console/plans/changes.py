"""What a plan would change, as a page tells it: for each item the members that differ, without secrets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

SHOWN = 200
# The sections in the console's words, for one item.
WORDS = {
    "users": "person",
    "clients": "agent",
    "resources": "MCP server",
    "trusted_issuers": "trusted issuer",
    "resource_authorization_servers": "other authorization server",
    "rules": "rule",
    "webhooks": "webhook",
    "extensions": "extensions",
    "cimd": "trust in metadata documents",
    "audit_destinations": "audit destination",
}
ACTIONS = {"created": ("New", "good"), "changed": ("Changes", "caution"), "removed": ("Goes", "bad")}


@dataclass(frozen=True, slots=True)
class ToldChange:
    """One change: `lines` are (sign, text) of the members that differ."""

    kind: str
    name: str
    action: str
    tone: str
    lines: tuple[tuple[str, str], ...]
    rules: Sequence[str]


def told(changes: Sequence[dict[str, Any]]) -> list[ToldChange]:
    """The first of them."""
    return [
        ToldChange(
            WORDS.get(change["section"], change["section"]),
            change["key"],
            *ACTIONS[change["action"]],
            tuple(_lines(change["before"], change["after"])),
            change.get("rules", ()),
        )
        for change in changes[:SHOWN]
    ]


def _lines(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys([*before, *after]):
        was, becomes = before.get(name), after.get(name)
        if was == becomes:
            continue
        if before and not _is_empty(was):
            yield "-", f"{name}: {_value(was)}"
        if after and not _is_empty(becomes):
            yield "+", f"{name}: {_value(becomes)}"


def _is_empty(value: Any) -> bool:
    return value in (None, "", [], {})


def _value(value: Any) -> str:
    """As in the file, on one line."""
    if isinstance(value, str):
        return value
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True).removesuffix("\n...\n").strip()
    )
