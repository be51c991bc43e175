"""For everybody who signs in: the agents that act for me, what they may do, and ending it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from authz import authorizations
from authz.console.model_admin import person
from authz.console.roles import END_AUTHORIZATIONS
from authz.console.site import console
from authz.models import AuditEvent, Authorization, Client, Consent, Scope
from authz.transactions import settled

SHOWN = 200


def live(now: datetime) -> QuerySet[Authorization]:
    return Authorization.objects.filter(revoked=None).filter(Q(expires=None) | Q(expires__gt=now))


@login_required
@never_cache
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """One card an agent: each MCP server that it reaches for me, with the scopes in words."""
    now = datetime.now(UTC)
    rows = list(
        live(now)
        .filter(user=person(request))
        .select_related("client", "resource")
        .order_by("client__name", "-created")[:SHOWN]
    )
    words = _words(rows)
    last = _last_used([str(row.pk) for row in rows])
    agents: dict[int, dict[str, Any]] = {}
    for row in rows:
        agent = agents.setdefault(row.client_id, {"client": row.client, "grants": [], "last_used": None})
        agent["grants"].append(
            {
                "row": row,
                "scopes": [words.get((row.resource_id, name), name) for name in row.scopes],
                "identity": row.identity_scopes,
            }
        )
        moment = last.get(str(row.pk)) or row.rotated or row.created
        agent["last_used"] = max(filter(None, (agent["last_used"], moment)))
    return render(request, "account/home.html", {"agents": list(agents.values())})


def _words(rows: list[Authorization]) -> dict[tuple[int | None, str], str]:
    scopes = Scope.objects.filter(resource__in={row.resource_id for row in rows if row.resource_id})
    return {(scope.resource_id, scope.name): scope.description or scope.name for scope in scopes}


def _last_used(ids: list[str]) -> dict[str, datetime]:
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
    """End everything that one agent may do for me, and forget that I allowed it."""
    client = get_object_or_404(Client, pk=pk)
    mine = Authorization.objects.filter(user=person(request), client=client)
    if request.method == "POST":
        with settled():
            ended = authorizations.end(mine, reason="ended_by_person", now=datetime.now(UTC))
            # It asks again next time, instead of coming back by itself.
            Consent.objects.filter(user=person(request), client=client).delete()
        messages.success(
            request,
            f"“{client.name or client.client_id}” no longer acts for you." if ended else "It had ended already.",
        )
        return redirect("account_home")
    if not mine.filter(revoked=None).exists():
        return redirect("account_home")
    return render(request, "account/end_agent.html", {"client": client})


def end_any(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Console: end one authorization, whoever gave it."""
    if not request.user.has_perm(END_AUTHORIZATIONS):
        raise PermissionDenied
    row = get_object_or_404(Authorization.objects.select_related("client", "user", "resource"), pk=pk)
    if request.method == "POST":
        with settled():
            ended = authorizations.end(
                Authorization.objects.filter(pk=pk), reason="ended_in_console", now=datetime.now(UTC)
            )
            if ended:
                _forget_consent(row)
        messages.success(request, "Ended." if ended else "It had ended already.")
        return redirect("admin:authz_authorization_change", pk)
    agent = row.client.name or row.client.client_id
    context = {
        **console.each_context(request),
        "title": "End this authorization?",
        "consequence": format_html(
            "“<bdi>{}</bdi>” no longer reaches <bdi>{}</bdi> for <bdi>{}</bdi>: its refresh token is refused, and"
            " introspection calls its tokens inactive at once.",
            agent,
            row.resource.name if row.resource else "this server",
            row.user.username if row.user else "itself",
        ),
        "button": "End it",
    }
    return TemplateResponse(request, "console/confirm.html", context)


def _forget_consent(row: Authorization) -> None:
    if row.user_id is not None:
        Consent.objects.filter(user=row.user_id, client=row.client_id, resource=row.resource_id).delete()
