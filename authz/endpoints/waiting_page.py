"""The pages of a person whose request waits for an approval: of the request, or of the agent.

A GET only says what waits. A button asks for it (attack 31: a page elsewhere can send a person's browser here, and must
not be able to ask approvers in the person's name).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse

from authz import audit, decisions, notifications, registry
from authz.approvals import access_requests, approvers, notices
from authz.database.transactions import unit_of_work
from authz.endpoints import authorize_precheck
from authz.endpoints.asked_part import asked_part
from authz.endpoints.request_fields import RequestFields
from authz.limits.refusal_sampling import record_unauthenticated
from authz.models import Client, ProtectedResource, User
from authz.notifications import Kind
from authz.policy import AccessQuestion, Decision
from authz.protocol.errors import OAuthError, Reason
from authz.protocol.params import Params
from authz.sign_in import form_binding

REQUEST_FORM, AGENT_FORM = "ask for access", "ask for an agent"
_WAITS = "This needs an approval. It is asked for, once; nothing else happens yet."
_MAY_BE_ASKED = "This needs an approval. No one has been asked yet."


# --- A request that waits for an approver ---------------------------------------------------------------------------


def for_request(
    request: HttpRequest,
    user: User,
    *,
    params: Params,
    client: Client,
    resource: ProtectedResource | None,
    question: AccessQuestion,
    decision: Decision,
    now: float,
) -> HttpResponse:
    """GET: what waits, or would wait. POST of its form: ask for it, or say why it is needed."""
    moment = datetime.fromtimestamp(now, UTC)
    waiting = access_requests.find(question, decision, moment)
    shown = (
        dict(params),
        form_binding.client_state(client),
        resource.identifier if resource else "",
        sorted(decision.waiting),
        str(waiting.pk) if waiting else "",
        RequestFields.shown(question.resource),
    )
    fields = RequestFields(question.resource, waiting, request)
    is_answered = request.method == "POST" and bool({"ask", "reason"} & set(request.POST))
    if is_answered and form_binding.is_as_shown(request, REQUEST_FORM, *shown) and fields.are_taken():
        if waiting is None and (part := asked_part(request, question, sorted(decision.waiting))) is not None:
            waiting = decisions.open_request(part, decisions.evaluate_either(part, now))
        if waiting is not None and fields.are_given(waiting, user, moment):
            access_requests.add_justification(waiting, by=user, reason=request.POST.get("reason", ""), now=moment)
            return HttpResponseRedirect(authorize_precheck.address(request))
    _record(Reason.APPROVAL_PENDING, client, decisions.facts_of_refusal(decision))
    context: dict[str, Any] = {
        "client": {"name": client.name, "host": client.host},
        "resource": resource,
        "what": _WAITS if waiting else _MAY_BE_ASKED,
        "scopes": waiting.scopes if waiting else sorted(decision.waiting),
        "form": REQUEST_FORM,
        "seal": form_binding.seal(request, REQUEST_FORM, *shown),
        "has_changed": is_answered and not fields.problem,
        "action": authorize_precheck.address(request),
        "again": authorize_precheck.address(request),
        "request_fields": fields,
    }
    if waiting is not None:
        context |= {
            "access_request": waiting,
            "request_id": waiting.pk,
            "told": notifications.told_about(str(waiting.pk), Kind.ACCESS_REQUESTED),
            "approvers": [_named(person) for person in approvers.who(waiting)],
        }
    return render(request, "authorize/waiting.html", context, status=403)


# --- An agent that waits for its approval ---------------------------------------------------------------------------


def for_agent(request: HttpRequest, client: Client, now: float) -> HttpResponse:
    """Who could approve the agent is told, and named, to people who are signed in: strangers must neither learn their
    addresses nor write to them."""
    user, seal, moment = request.user, "", datetime.fromtimestamp(now, UTC)
    is_answered = request.method == "POST" and "ask" in request.POST
    if isinstance(user, User):
        shown = (form_binding.client_state(client),)
        if is_answered and form_binding.is_as_shown(request, AGENT_FORM, *shown):
            with unit_of_work():
                notices.agent_waits(client, user, moment)
                registry.asked_for(client)
            return HttpResponseRedirect(authorize_precheck.address(request))
        seal = form_binding.seal(request, AGENT_FORM, *shown)
    _record(Reason.CLIENT_NOT_APPROVED, client)
    context: dict[str, Any] = {
        "client": {"name": client.name, "host": client.host},
        "what": _why_it_waits(client),
        "request_id": audit.current_origin().request_id,
    }
    if isinstance(user, User):
        told = notices.told_of_agent(client, moment)
        context |= {
            "told": told,
            "approvers": [_named(person) for person in notices.who_approves_agents()],
            "form": "" if told else AGENT_FORM,
            "seal": seal,
            "has_changed": is_answered,
            "action": authorize_precheck.address(request),
        }
    else:
        login = QueryDict(mutable=True)
        login["next"] = authorize_precheck.address(request)
        context["sign_in"] = f"{reverse('account_login')}?{login.urlencode(safe='/')}"
    return render(request, "authorize/waiting.html", context, status=403)


def _why_it_waits(client: Client) -> str:
    """In words; "" if it was never approved."""
    if client.status == Client.Status.APPROVED:
        return "The approval of this agent has ended, and is not renewed yet."
    return registry.presentation(client).get("waits_because", "")


def _record(reason: Reason, client: Client, facts: Mapping[str, object] | None = None) -> None:
    error = OAuthError(reason, facts=facts or {})
    record_unauthenticated(audit.Event.AUTHORIZATION_REFUSED, error, client_id=client.client_id)


def _named(person: User) -> str:
    return person.email or person.username
