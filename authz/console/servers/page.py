"""The top of an MCP server's page: what it is, whether it is protected, what reaches it, and what happened there.

Each part is for people who may see it elsewhere, too: rules and reach with the rules, events with the audit.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from authz import decisions
from authz.approvals import access_requests
from authz.audit import counts, queries
from authz.console import protection
from authz.console.audit import event_history
from authz.console.audit.event_history import Chapter
from authz.console.model_admin import person
from authz.console.servers.steps import steps
from authz.console.widgets import names, sentences, unusual
from authz.database import configuration_cache
from authz.decisions import simulation
from authz.models import AuditEvent, ProtectedResource, Rule
from authz.policy import Agent, ClientStatus
from authz.policy.matrix import Part, cells, subjects
from authz.sign_in.roles import visible_requests

DAYS = 30
# Rows of each part.
SHOWN = 8
# No index finds the events of a server, so that many of the latest events are looked through.
LOOKED_AT = 20_000


@dataclass(frozen=True, slots=True)
class Reaches:
    """An agent, and what it and people get at the server through it."""

    client_id: str
    name: str
    parts: tuple[Part, ...]


def overview(request: HttpRequest, row: ProtectedResource) -> dict[str, Any]:
    configuration_cache.begin()
    sees_rules = request.user.has_perm("authz.view_rule")
    found: dict[str, Any] = {
        "server": row,
        "owners": _owners(row),
        "scopes": list(row.scopes.all()),
        "protection": protection.latest(row.identifier),
        "tokens": _tokens(row.identifier),
        "days": DAYS,
        "waiting": list(_waiting(request, row)[:SHOWN]),
    }
    if sees_rules:
        reaching = _reaching(row)
        found |= {
            "reaching": reaching[:SHOWN],
            "more_reaching": max(len(reaching) - SHOWN, 0),
            "reach_count": len(reaching),
            **_rules(row),
        }
    if request.user.has_perm("authz.view_auditevent"):
        found |= _events(row.identifier) | unusual.panel(request, row)
    return found | {"steps": steps(request, row, found) if sees_rules else []}


def _owners(row: ProtectedResource) -> list[str]:
    first = [row.owner.username] if row.owner else []
    return list(dict.fromkeys([*first, *(owner.username for owner in row.owners.all())]))


def _tokens(identifier: str) -> dict[str, Any]:
    """How many in 30 days, and a bar for each day: (day, number, x, height), of 300 × 40."""
    today = datetime.now(UTC)
    slots = [counts.slot(today - timedelta(days=n), counts.DAY) for n in reversed(range(DAYS))]
    by_slot = counts.Figures(slots).by_slot(counts.Dimension.RESOURCE).get(identifier, {})
    by_day = [(slot, by_slot.get(slot, 0)) for slot in slots]
    most = max(n for _, n in by_day) or 1
    bars = [(day, n, 10 * place, -(-40 * n // most)) for place, (day, n) in enumerate(by_day)]
    return {"total": sum(n for _, n in by_day), "bars": bars}


def _waiting(request: HttpRequest, row: ProtectedResource) -> Any:
    rows = visible_requests(person(request), access_requests.queue(datetime.now(UTC))).filter(resource=row.identifier)
    return rows.select_related("client", "user").order_by("first_asked")


def _reaching(row: ProtectedResource) -> list[Reaches]:
    """Approved agents that reach it, those with most scopes first."""
    agents: list[Agent] = [one for one in simulation.agents("", time.time()) if one.status is ClientStatus.APPROVED]
    rules = decisions.cached_rules()
    people = subjects(rules, simulation.persons(rules.users.keys() - {"*"}))
    servers = [server for server in simulation.servers(row.identifier, agents) if not server.authorization_server]
    found = cells(rules, agents, people, servers, time.time())
    ordered = sorted(found.items(), key=lambda item: (-_weight(item[1]), item[0]))
    called = names.of_agents(client_id for (client_id, _), _ in ordered[:SHOWN])
    return [Reaches(client_id, called.get(client_id, ""), parts) for (client_id, _), parts in ordered]


def _weight(parts: Sequence[Part]) -> int:
    return sum(len(part.scopes) for part in parts)


def _rules(row: ProtectedResource) -> dict[str, Any]:
    """The enabled rules that name it, each with its sentence, and how many are for every MCP server."""
    compiled = decisions.cached_rules().rules
    named = [rule.name for rule in compiled if rule.enabled and row.identifier in rule.resources]
    stored = list(Rule.objects.filter(name__in=named).order_by("name"))
    told: list[tuple[Rule, SafeString | str]] = list(zip(stored, sentences.of_rows(stored), strict=True))
    return {
        "rules": told[:SHOWN],
        "more_rules": max(len(told) - SHOWN, 0),
        "rules_for_all": sum(rule.enabled and "*" in rule.resources for rule in compiled),
        "lets_in": any(rule.effect != Rule.Effect.DENY for rule in stored),
    }


def _events(identifier: str) -> dict[str, Any]:
    newest = AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    rows = AuditEvent.objects.filter(id__gt=newest - LOOKED_AT, resource=identifier).order_by("-id")
    done = list(rows.filter(reason="")[: 6 * SHOWN])
    refused = list(queries.refused(rows)[: 6 * SHOWN])
    chapters: tuple[list[Chapter], list[Chapter]] = (
        event_history.chapters(done)[:SHOWN],
        event_history.chapters(refused)[:SHOWN],
    )
    return {
        "recent_events": chapters[0],
        "refusals": chapters[1],
        "agents": names.of_agents(event.client_id for event in (*done, *refused)),
        "looked_at": LOOKED_AT,
    }
