"""The last answers to an agent, for its owner: what was issued, what was refused, why, and what to do about it.

A developer does not see the audit. Of an answer to their own agent they see what the agent itself sent and got, and
the reason; not the person or the address that it came from.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from authz import audit
from authz.audit import queries
from authz.console.model_admin import person
from authz.console.site import console
from authz.console.widgets import names, reasons
from authz.models import AuditEvent, Client
from authz.protocol.errors import Reason
from authz.sign_in.roles import ASK, SIMULATE, visible

# So many of an agent's latest events are looked through, and so many answers are shown.
RECENT, SHOWN = 100, 10
# What the agent itself sent, of an event's detail.
SENT = ("grant_type", "scope", "redirect_uri")
_FOR = {True: "me", False: "agent"}
BY_RULES = frozenset({Reason.DENIED_BY_POLICY, Reason.SCOPE_DENIED_BY_POLICY, Reason.ACCESS_DENIED_BY_POLICY})


@dataclass(frozen=True, slots=True)
class Answer:
    """`told` is None where nothing was refused."""

    event: AuditEvent
    told: reasons.Told | None


def of(client: Client) -> list[Answer]:
    """The newest first."""
    events = queries.about("client_id", client.client_id).order_by("-id")[:RECENT]
    return [_answer(event) for event in events if event.reason or event.event.endswith(":issued")][:SHOWN]


def _answer(event: AuditEvent) -> Answer:
    return Answer(event, reasons.told(event) if event.reason else None)


@console.page("answers/<int:pk>/", "answer")
@require_safe
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """One answer to an agent that the person may see. Raises `PermissionDenied`."""
    if not request.user.has_perm("authz.view_client"):
        raise PermissionDenied
    event = get_object_or_404(AuditEvent, pk=pk)
    client = get_object_or_404(visible(person(request), Client.objects.all()), client_id=event.client_id)
    context = {
        **console.each_context(request),
        "title": "An answer to your agent",
        "client": client,
        "answer": _answer(event),
        "server": names.of_servers([event.resource]).get(event.resource, event.resource),
        "sent": [(name.replace("_", " ").capitalize(), event.detail[name]) for name in SENT if name in event.detail],
        "ask": _ask(request, client, event),
        "simulate": _simulate(request, event),
    }
    return TemplateResponse(request, "console/answer_to_agent.html", context)


def _ask(request: HttpRequest, client: Client, event: AuditEvent) -> str:
    """Where access can be asked for, if the rules are the reason and an approved agent may ask."""
    may_ask = request.user.has_perm(ASK) and client.status == Client.Status.APPROVED
    if not may_ask or event.reason not in BY_RULES:
        return ""
    # The form begins with what was refused: the developer has only to say why it is needed.
    for_person = event.event == audit.Event.AUTHORIZATION_REFUSED or event.subject not in {"", event.client_id}
    asked = {"resource": event.resource, "scopes": event.detail.get("scope", ""), "acts_for": _FOR[for_person]}
    filled = urlencode({name: value for name, value in asked.items() if value})
    return f"{reverse('admin:authz_client_ask', args=[client.pk])}?{filled}"


def _simulate(request: HttpRequest, event: AuditEvent) -> str:
    """The simulator with the same request, as far as the event has it."""
    if not event.resource or not request.user.has_perm(SIMULATE):
        return ""
    sent = {name: event.detail[name] for name in ("grant_type", "scope") if event.detail.get(name)}
    return (
        f"{reverse('admin:simulator')}?{urlencode({'client_id': event.client_id, 'resource': event.resource, **sent})}"
    )
