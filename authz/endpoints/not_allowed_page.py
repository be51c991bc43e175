"""The page where no rule lets a person use an agent at an MCP server: ask its owners, or go back to the application.

It says the same whether no rule allows it or a rule denies it. A GET asks for nothing (attack 31).
"""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from authz import audit, decisions, notifications
from authz.approvals import access_requests, approvers, rule_requests
from authz.endpoints import authorize_precheck
from authz.endpoints.asked_part import asked_part
from authz.endpoints.authorize_request import AuthorizationContext
from authz.endpoints.authorize_response import back_to_client, error_parameters
from authz.endpoints.content_security_policy import allowing_redirect
from authz.endpoints.request_fields import RequestFields
from authz.limits.refusal_sampling import record_unauthenticated
from authz.models import AccessRequest, User
from authz.notifications import Kind
from authz.policy import AccessQuestion, Decision
from authz.protocol.errors import OAuthError
from authz.sign_in import form_binding

FORM = "ask for a rule"


def respond(
    request: HttpRequest,
    user: User,
    context: AuthorizationContext,
    *,
    question: AccessQuestion,
    decision: Decision,
    refusal: OAuthError,
) -> HttpResponse:
    """GET: the page. POST of its form: ask for access, or go back to the client with the refusal. Raises OAuthError."""
    if request.method == "POST" and "deny" in request.POST:
        # The page that they read has recorded it.
        return back_to_client(context.request.redirect_uri, error_parameters(refusal, context.request.state))
    is_answered = request.method == "POST" and bool({"ask", "explain"} & set(request.POST))
    if request.method == "POST" and not is_answered:
        # A form of another page: what it would have allowed is no longer allowed.
        raise refusal
    moment = datetime.fromtimestamp(context.now, UTC)
    waiting = rule_requests.find(question, moment)
    names = sorted(question.scope_names())
    shown = (
        dict(context.params),
        form_binding.client_state(context.client),
        question.resource,
        names,
        str(waiting.pk) if waiting else "",
        RequestFields.shown(question.resource),
    )
    fields = RequestFields(question.resource, waiting, request)
    if is_answered and form_binding.is_as_shown(request, FORM, *shown) and fields.are_taken():
        part = question if waiting else asked_part(request, question, names)
        row = (waiting or decisions.open_rule_request(part, decision)) if part is not None else None
        if row is not None and fields.are_given(row, user, moment):
            access_requests.add_justification(row, by=user, reason=request.POST.get("reason", ""), now=moment)
            return HttpResponseRedirect(authorize_precheck.address(request))
    record_unauthenticated(audit.Event.AUTHORIZATION_REFUSED, refusal, client_id=context.client.client_id)
    response = render(
        request,
        "authorize/not_allowed.html",
        {
            "client": {"name": context.client.name, "host": context.client.host},
            "resource": context.resource,
            "scopes": waiting.scopes if waiting else names,
            "seal": form_binding.seal(request, FORM, *shown),
            "has_changed": is_answered and not fields.problem,
            "request_fields": fields,
            "action": authorize_precheck.address(request),
            "request_id": audit.current_origin().request_id,
            **_in_words(waiting),
        },
        status=403,
    )
    allowing_redirect(response, context.request.redirect_uri)
    return response


def _in_words(waiting: AccessRequest | None) -> dict[str, Any]:
    if waiting is None:
        return {}
    return {
        "access_request": waiting,
        "is_rejected": waiting.status == AccessRequest.Status.DENIED,
        "told": notifications.told_about(str(waiting.pk), Kind.ACCESS_REQUESTED),
        "approvers": [person.email or person.username for person in approvers.who(waiting)],
    }
