"""What an MCP server still needs until agents call it with tokens: protect it, allow it, connect an agent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from authz.models import ProtectedResource, Scope


@dataclass(frozen=True, slots=True)
class Step:
    """`action` and `url` are "" where the person may not take it. The first that is not done is `next`."""

    text: str
    is_done: bool
    action: str = ""
    url: str = ""
    is_next: bool = False


def steps(request: HttpRequest, row: ProtectedResource, facts: Mapping[str, Any]) -> list[Step]:
    """In their order; none where all is done, so that the page begins with the server."""
    may = request.user.has_perm
    found = [
        Step(*_protection(row, facts), "Protect it", reverse("admin:authz_protectedresource_protect", args=[row.pk])),
        Step(
            "A rule allows it." if facts["lets_in"] or facts["reach_count"] else "No rule allows it yet.",
            bool(facts["lets_in"] or facts["reach_count"]),
            *(("Allow it", rule_url(row, facts["scopes"])) if may("authz.add_rule") else ()),
        ),
        Step(
            "An approved agent reaches it." if facts["reach_count"] else "No approved agent reaches it yet.",
            bool(facts["reach_count"]),
            *(("Connect an agent", add_agent_url(row)) if may("authz.add_client") else ()),
        ),
        Step(
            "Agents get tokens for it." if facts["tokens"]["total"] else "No token has been issued for it in 30 days.",
            bool(facts["tokens"]["total"]),
        ),
    ]
    if not facts["scopes"]:
        found.insert(0, Step("It has no scope yet, so there is nothing to ask for.", False, "Add scopes", "#form"))
    first = next((position for position, step in enumerate(found) if not step.is_done), None)
    if first is None:
        return []
    return [
        Step(step.text, step.is_done, step.action, step.url, is_next=position == first)
        for position, step in enumerate(found)
    ]


def _protection(row: ProtectedResource, facts: Mapping[str, Any]) -> tuple[str, bool]:
    checked = facts["protection"]
    if checked is None:
        return "Whether it is protected was not checked yet.", False
    if checked.is_good:
        return "It is protected.", True
    return "It isn't protected as it has to be.", False


def rule_url(row: ProtectedResource, scopes: list[Scope]) -> str:
    """The form of a new rule for the server, with its scopes but for those of high sensitivity."""
    fields = {
        "name": f"Agents use {row.name}"[:100],
        "effect": "allow",
        "resources": [row.identifier],
        "scopes": [scope.name for scope in scopes if scope.sensitivity != Scope.Sensitivity.HIGH],
        "grant_types": ["*"],
    }
    return f"{reverse('admin:authz_rule_add')}?{urlencode(fields, doseq=True)}"


def add_agent_url(row: ProtectedResource) -> str:
    return f"{reverse('admin:add_agent')}?{urlencode({'server': row.identifier})}"
