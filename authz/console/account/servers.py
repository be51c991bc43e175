"""The pages of a person who owns MCP servers, whatever their role: who reaches them, what was refused there, and the
words that people read. Nothing else of a server is changed here.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from authz import audit, decisions
from authz.approvals import approvers
from authz.approvals.access_requests import queue
from authz.audit import queries
from authz.console.account.agents import last_used, live
from authz.console.model_admin import person, record
from authz.console.widgets import reasons
from authz.console.widgets.fields import ShownField
from authz.database import configuration_cache
from authz.decisions import simulation
from authz.models import AuditEvent, Client, ProtectedResource, Scope
from authz.models.protected_resource import owned_by
from authz.policy import ClientStatus
from authz.policy.matrix import Part, cells, subjects

# Agents of a page; live authorizations whose last use is looked up; refusals looked through, and shown.
AGENTS, LOOKED_UP, LOOKED_THROUGH, SHOWN = 200, 500, 2_000, 20


@dataclass(slots=True)
class Reaching:
    """One agent that reaches the server: by which rules, for how many people it does so now, and when it last did."""

    client_id: str
    name: str
    parts: Sequence[Part]
    people: set[int | None] = field(default_factory=set)
    last: datetime | None = None


class WordsForm(forms.Form):
    """The name of a server and the descriptions of its scopes."""

    name = ShownField(max_length=255, label="Name of the server")

    def __init__(self, row: ProtectedResource, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].initial = row.name
        self.scopes: list[Scope] = list(row.scopes.all())
        for scope in self.scopes:
            self.fields[f"scope-{scope.pk}"] = ShownField(
                max_length=255,
                required=False,
                label=scope.name,
                initial=scope.description,
                help_text="People read it on the consent page.",
            )


def _owned(request: HttpRequest) -> Any:
    return ProtectedResource.objects.filter(owned_by(person(request))).distinct().order_by("name")


@login_required
@never_cache
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """The MCP servers of which the person is an owner."""
    rows = list(_owned(request).prefetch_related("scopes")[:AGENTS])
    waiting = approvers.waiting_for(person(request), queue(datetime.now(UTC)), AGENTS)
    return render(
        request,
        "account/servers.html",
        {"servers": [(row, sum(found.resource == row.identifier for found in waiting)) for row in rows]},
    )


@login_required
@never_cache
def server(request: HttpRequest, pk: int) -> HttpResponse:
    """One of them. 404 for all others, so that they do not learn that it exists."""
    row = get_object_or_404(_owned(request).prefetch_related("scopes"), pk=pk)
    form = WordsForm(row, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        messages.success(request, "Saved." if _worded(request, row, form) else "Nothing has changed.")
        return redirect("account_server", pk)
    now = datetime.now(UTC)
    context = {
        "row": row,
        "form": form,
        "agents": _reaching(row, now),
        "refusals": _refusals(row),
        "waiting": [
            found
            for found in approvers.waiting_for(person(request), queue(now), AGENTS)
            if found.resource == row.identifier
        ],
    }
    return render(request, "account/server.html", context)


def _worded(request: HttpRequest, row: ProtectedResource, form: WordsForm) -> bool:
    """Save the words that differ, and record which, from what to what. Other columns are not written."""
    given, changed = form.cleaned_data, {}
    with transaction.atomic():
        for scope in form.scopes:
            words = given[f"scope-{scope.pk}"]
            if words != scope.description:
                changed[scope.name] = [scope.description, words]
                Scope.objects.filter(pk=scope.pk, resource=row).update(description=words)
        if given["name"] != row.name:
            changed["name"] = [row.name, given["name"]]
            ProtectedResource.objects.filter(pk=row.pk).update(name=given["name"])
        if changed:
            record(request, audit.Event.CONFIGURATION_CHANGED, row, changed=sorted(changed), words=changed)
    return bool(changed)


def _reaching(row: ProtectedResource, now: datetime) -> list[Reaching]:
    """The agents that the rules let in, those that were there last first."""
    configuration_cache.begin()
    rules = decisions.cached_rules()
    acting = [agent for agent in simulation.agents("", time.time()) if agent.status is ClientStatus.APPROVED]
    # Servers of that name behind other authorization servers are not this one's business.
    here = [found for found in simulation.servers(row.identifier, []) if found.identifier == row.identifier]
    people = subjects(rules, simulation.persons(rules.users.keys() - {"*"}))
    parts = {client_id: found for (client_id, _), found in cells(rules, acting, people, here, time.time()).items()}
    names = dict(Client.objects.filter(client_id__in=parts).values_list("client_id", "name"))
    found = {client_id: Reaching(client_id, names.get(client_id, ""), parts[client_id]) for client_id in parts}
    for client_id, (users, last) in _used(row, now).items():
        if client_id in found:
            found[client_id].people, found[client_id].last = users, last
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(found.values(), key=lambda one: (one.last or never, one.client_id), reverse=True)[:AGENTS]


def _used(row: ProtectedResource, now: datetime) -> dict[str, tuple[set[int | None], datetime]]:
    rows = list(
        live(now)
        .filter(resource=row)
        .order_by("-created")
        .values_list("pk", "client__client_id", "user", "created")[:LOOKED_UP]
    )
    last = last_used([str(pk) for pk, *_ in rows])
    grouped: dict[str, list[tuple[int | None, datetime]]] = defaultdict(list)
    for pk, client_id, user, created in rows:
        grouped[client_id].append((user, last.get(str(pk)) or created))
    return {
        client_id: ({user for user, _ in pairs if user is not None}, max(moment for _, moment in pairs))
        for client_id, pairs in grouped.items()
    }


def _refusals(row: ProtectedResource) -> list[tuple[AuditEvent, str]]:
    """The last ones that were about it, among the latest of all: which agent, when and why. Not which person."""
    latest = list(queries.refused().order_by("-id").values_list("id", flat=True)[:LOOKED_THROUGH])
    if not latest:
        return []
    events = queries.refused(AuditEvent.objects.filter(id__gte=latest[-1], resource=row.identifier))
    return [(event, reasons.why(event.reason)) for event in events.order_by("-id")[:SHOWN]]
