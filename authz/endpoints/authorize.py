"""The authorization endpoint (RFC 6749 §3.1; OAuth 2.1 §4.1): sign-in, consent, and the way back to the client.

GET can be repeated (interop 9); docs/architecture.md says what it does. The forms post back to the same address, so the
request is read and judged again from the URL; a hidden field binds each form to what its page showed
(authz/sign_in/form_binding.py).
"""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from oauth2_provider.http import OAuth2ResponseRedirect

from authz import audit, clients, resources
from authz.conf import conf
from authz.endpoints import arrivals, authorize_precheck, waiting_page
from authz.endpoints.authorize_decision import decide
from authz.endpoints.authorize_request import AuthorizationContext
from authz.endpoints.authorize_response import back_to_client, error_parameters
from authz.endpoints.authorize_sign_in import is_another_kind, is_too_old, to_second_factor, to_sign_in
from authz.endpoints.machine import now, request_id
from authz.limits.addresses import client_address
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.models import Client, User
from authz.protocol import authorization_request
from authz.protocol.errors import OAuthError, Reason, harmless
from authz.sign_in import second_factors, session
from authz.tokens import pushed_requests


@never_cache
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    arrived = authorize_precheck.of(request)
    client, moment = arrived.client, now()
    with audit.origin(client_address(request.META), request_id(request.META), "authorize"):
        if client.state(moment) == Client.Status.PENDING:
            return waiting_page.for_agent(request, client, moment)
        response = _answer_or_refusal(request, arrived, moment)
    # What leads back to the client ends the request; a page, or a sign-in, is on its way.
    note = arrivals.forget if isinstance(response, OAuth2ResponseRedirect) else arrivals.keep
    if arrived.reference and isinstance(response, OAuth2ResponseRedirect):
        pushed_requests.give_up(arrived.reference, moment)
    note(request, response, arrived.params, moment)
    return response


def _answer_or_refusal(request: HttpRequest, arrived: authorize_precheck.Arrival, moment: float) -> HttpResponse:
    client = arrived.client
    try:
        clients.require_approved(client, moment)
        return _answer(request, arrived, moment)
    except OAuthError as error:
        try:
            error = record_unauthenticated(audit.Event.AUTHORIZATION_REFUSED, error, client_id=client.client_id)
        except UnrecordedError as unrecorded:
            error = unrecorded
        return back_to_client(arrived.redirect_uri, error_parameters(error, arrived.params.get("state", "")))


def _answer(request: HttpRequest, here: authorize_precheck.Arrival, moment: float) -> HttpResponse:
    client, params = here.client, here.params
    if isinstance(request.user, User):
        audit.concerns(subject=request.user.subject)
    audit.concerns(resource=harmless(params.get("resource", "")))
    arrived, is_new = arrivals.first_seen(request, params, moment)
    wanted = authorization_request.read(params, redirect_uri=here.redirect_uri, grant_types=client.grant_types)
    # > require_pushed_authorization_requests: […] the only means of initiating an authorization request the client is
    # > allowed to use is PAR (RFC 9126 §6); of the server (§5)
    if not here.reference and (conf.require_par or client.require_pushed_authorization_requests):
        raise OAuthError(Reason.REQUEST_NOT_PUSHED)
    context = AuthorizationContext(
        client=client,
        params=params,
        request=wanted,
        resource=None if wanted.is_sign_in_only else resources.requested(wanted.resource),
        address=client_address(request.META),
        now=moment,
        arrived=arrived,
        is_new=is_new,
        reference=here.reference,
    )
    if context.resource is not None:
        audit.concerns(resource=context.resource.identifier)
    user = request.user
    if not isinstance(user, User):
        return to_sign_in(request, context)
    if user.is_emergency:
        raise OAuthError(Reason.EMERGENCY_WITHOUT_AGENTS)
    if second_factors.is_due(request):
        return to_second_factor(request, context)
    signed_in = session.current(request)
    if is_too_old(request, context, signed_in) or is_another_kind(request, context, signed_in):
        return to_sign_in(request, context)
    return decide(request, context, user, signed_in)


def metadata() -> dict[str, object]:
    return {
        "authorization_endpoint": conf.endpoint("authorize"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": sorted(authorization_request.PROMPTS - {"select_account"}),
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


METADATA = metadata
urlpatterns = [path("authorize", authorize, name="authorize")]
