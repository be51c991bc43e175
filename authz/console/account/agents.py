"""The page of all who sign in: the agents that act for the person, what they may do, and ending their access."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from authz.authorizations import ending
from authz.console.model_admin import person
from authz.console.widgets import names
from authz.models import AuditEvent, Authorization, Client, ProtectedResource, Scope
from authz.models.protected_resource import owned_by
from authz.tokens.authorization_codes import UNTICKED

SHOWN = 200


def live(now: datetime) -> QuerySet[Authorization]:
    return Authorization.objects.filter(revoked=None).filter(Q(expires=None) | Q(expires__gt=now))


@login_required
@never_cache
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """One card an agent: each MCP server that it reaches for the person, with the scopes in words."""
    now = datetime.now(UTC)
    rows = list(
        live(now)
        .filter(user=person(request))
        .select_related("client", "resource")
        .order_by("client__name", "-created")[:SHOWN]
    )
    words = _words(rows)
    last = last_used([str(row.pk) for row in rows])
    agents: dict[int, dict[str, Any]] = {}
    for row in rows:
        agent = agents.setdefault(
            row.client_id, {"client": row.client, "grants": [], "servers": set(), "last_used": None}
        )
        agent["servers"].add(row.resource_id)
        agent["grants"].append(
            {
                "row": row,
                "scopes": [words.get((row.resource_id, name), name) for name in row.scopes],
                "identity": row.identity_scopes,
                "unticked": [words.get((row.resource_id, name), name) for name in row.lineage.get(UNTICKED, ())],
            }
        )
        moment = last.get(str(row.pk)) or row.rotated or row.created
        agent["last_used"] = max(filter(None, (agent["last_used"], moment)))
    owns = ProtectedResource.objects.filter(owned_by(person(request))).exists()
    return render(request, "account/home.html", {"agents": list(agents.values()), "owns_servers": owns})


def _words(rows: list[Authorization]) -> dict[tuple[int | None, str], str]:
    scopes = Scope.objects.filter(resource__in={row.resource_id for row in rows if row.resource_id})
    return {(scope.resource_id, scope.name): scope.description or scope.name for scope in scopes}


def last_used(ids: list[str]) -> dict[str, datetime]:
    found = (
        AuditEvent.objects.exclude(authorization="")
        .filter(authorization__in=ids)
        .order_by()
        .values_list("authorization")
    )
    return dict(found.annotate(latest=Max("time")))


@login_required
@never_cache
def end_agent(request: HttpRequest, pk: int) -> HttpResponse:
    """End all that one agent may do for the person, and delete the consent; with `?server=…` (an identifier) only at
    that MCP server.
    """
    client, server = get_object_or_404(Client, pk=pk), None
    mine: dict[str, Any] = {"user": person(request), "client": client}
    if identifier := request.GET.get("server"):
        server = get_object_or_404(ProtectedResource, identifier=identifier)
        mine["resource"] = server
    if request.method == "POST":
        called = names.of_servers([server.identifier]) if server else {}
        where = f" at {called.get(server.identifier, server.identifier)}" if server else ""
        gone = f"“{client.name or client.client_id}” no longer acts for you{where}."
        ended = ending.end_own(client, person(request), server, reason="ended_by_person", now=datetime.now(UTC))
        messages.success(request, gone if ended else "It had ended already.")
        return redirect("account_home")
    if not Authorization.objects.filter(**mine, revoked=None).exists():
        return redirect("account_home")
    return render(request, "account/end_agent.html", {"client": client, "server": server})
