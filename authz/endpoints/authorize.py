"""The authorization endpoint (RFC 6749 §3.1; OAuth 2.1 §4.1): sign-in, consent, and the way back to the client.

GET can be repeated (interop 9); docs/architecture.md says what it does. The forms post back to the same address, so the
request is read and judged again from the URL; a hidden field binds each form to what its page showed
(authz/sign_in/form_binding.py).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from oauth2_provider.http import OAuth2ResponseRedirect

from authz import audit, clients, decisions, registry, resources
from authz.authorizations import consents
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.endpoints import arrivals, authorize_precheck, waiting_page
from authz.endpoints.consent_page import ConsentPage
from authz.endpoints.machine import now, request_id
from authz.limits.addresses import client_address
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.models import BrowserSession, Client, ProtectedResource, User
from authz.policy import AccessQuestion, Decision, Outcome
from authz.protocol import authorization_request, scopes
from authz.protocol.authorization_request import AuthorizationRequest
from authz.protocol.errors import OAuthError, Reason, harmless
from authz.protocol.params import Params
from authz.sign_in import session
from authz.sign_in.session import BrowserSignIn
from authz.sign_in.sign_in import sign_in_of
from authz.tokens import authorization_codes

GRANT_TYPE = "authorization_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One authorization request: what was asked for, by which client, at which resource, from where, and when.

    `arrived`: when it first did (authz/endpoints/arrivals.py); `is_new`: that is now.
    """

    client: Client
    params: Params
    request: AuthorizationRequest
    resource: ProtectedResource | None
    address: str
    now: float
    arrived: float
    is_new: bool

    def is_older(self, signed_in: BrowserSignIn, seconds: int) -> bool:
        """Whether the sign-in was older than that when the request arrived. One that came later is not."""
        return signed_in.at < self.arrived and self.arrived - signed_in.auth_time > seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a person who is signed in may hand on: the decision on the resource, and the identity scopes beside it."""

    user: User
    signed_in: BrowserSignIn
    decision: Decision
    scopes: tuple[str, ...]
    identity_scopes: tuple[str, ...]

    @property
    def all_scopes(self) -> tuple[str, ...]:
        return (*self.scopes, *self.identity_scopes)


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
    note(request, response, arrived.params, moment)
    return response


def _answer_or_refusal(request: HttpRequest, arrived: authorize_precheck.Arrival, moment: float) -> HttpResponse:
    client = arrived.client
    try:
        clients.require_approved(client, moment)
        return _answer(request, client, arrived.params, arrived.redirect_uri, moment)
    except OAuthError as error:
        try:
            error = record_unauthenticated(audit.Event.AUTHORIZATION_REFUSED, error, client_id=client.client_id)
        except UnrecordedError as unrecorded:
            error = unrecorded
        return _back(arrived.redirect_uri, _error_parameters(error, arrived.params.get("state", "")))


def _answer(request: HttpRequest, client: Client, params: Params, redirect_uri: str, moment: float) -> HttpResponse:
    if isinstance(request.user, User):
        audit.concerns(subject=request.user.subject)
    audit.concerns(resource=harmless(params.get("resource", "")))
    arrived, is_new = arrivals.first_seen(request, params, moment)
    wanted = authorization_request.read(params, redirect_uri=redirect_uri, grant_types=client.grant_types)
    asked = Asked(
        client=client,
        params=params,
        request=wanted,
        resource=None if wanted.is_sign_in_only else resources.requested(wanted.resource),
        address=client_address(request.META),
        now=moment,
        arrived=arrived,
        is_new=is_new,
    )
    if asked.resource is not None:
        audit.concerns(resource=asked.resource.identifier)
    user = request.user
    if not isinstance(user, User):
        return _to_sign_in(request, asked)
    signed_in = session.current(request)
    if _is_too_old(request, asked, signed_in) or _is_another_kind(request, asked, signed_in):
        return _to_sign_in(request, asked)
    return _decide(request, asked, user, signed_in)


# --- Signing in ------------------------------------------------------------------------------------------------------


def _to_sign_in(request: HttpRequest, asked: Asked, acr_values: Sequence[str] = ()) -> HttpResponse:
    """To where the person signs in, or does so again; `acr_values` are asked for there, or else the request's."""
    # > none: The Authorization Server MUST NOT display any authentication or consent user interface pages. An error is
    # > returned if an End-User is not already Authenticated (OpenID Connect Core §3.1.2.1)
    if "none" in asked.request.prompt:
        raise OAuthError(Reason.LOGIN_REQUIRED)
    if wanted := list(acr_values or asked.request.acr_values):
        request.session[session.ACR_VALUES] = wanted
        request.session[_acr_asked_key(request)] = True
    back_here = authorize_precheck.address(request)
    if request.user.is_authenticated:
        return redirect_to_login(back_here, session.anew(request))
    login = QueryDict(mutable=True)
    login["next"] = back_here
    if asked.request.login_hint:
        login["login_hint"] = asked.request.login_hint
    return HttpResponseRedirect(f"{reverse('account_login')}?{login.urlencode(safe='/')}")


def _is_too_old(request: HttpRequest, asked: Asked, signed_in: BrowserSignIn) -> bool:
    # A session that does not say when it began cannot be vouched for in a token's auth_time.
    if not signed_in.auth_time:
        return True
    # > login: The Authorization Server SHOULD prompt the End-User for reauthentication. (OpenID Connect Core §3.1.2.1)
    if "login" in asked.request.prompt and (asked.is_new or signed_in.at < asked.arrived):
        return True
    # > If the elapsed time is greater than this value, the OP MUST attempt to actively re-authenticate the End-User.
    # > (OpenID Connect Core §3.1.2.1)
    max_age = asked.request.max_age
    return max_age is not None and asked.is_older(signed_in, max_age)


def _is_another_kind(request: HttpRequest, asked: Asked, signed_in: BrowserSignIn) -> bool:
    # > acr_values: [...] The acr Claim is requested as a Voluntary Claim by this parameter. (OpenID Connect Core
    # > §3.1.2.1) So it is asked for once, and what comes back is taken; `acr` then says what it was.
    wanted = asked.request.acr_values
    if not wanted or signed_in.acr in wanted or "none" in asked.request.prompt:
        return False
    return _may_ask_for_acr(request)


def _may_ask_for_acr(request: HttpRequest) -> bool:
    """Who signs in here shows all factors that they have each time; only somebody else's sign-in may know another."""
    return session.is_elsewhere(request) and _acr_asked_key(request) not in request.session


def _acr_asked_key(request: HttpRequest) -> str:
    return "acr asked at " + hashlib.sha256(request.get_full_path().encode()).hexdigest()


# --- Deciding and consenting ---------------------------------------------------------------------------------------


def _decide(request: HttpRequest, asked: Asked, user: User, signed_in: BrowserSignIn) -> HttpResponse:
    decision = _decision(asked, user, signed_in)
    if decision.effect is Outcome.PENDING:
        return _waits(request, asked, user, _question(asked, user, signed_in, _wanted(asked)), decision)
    if decision.effect is not Outcome.ALLOW:
        return _not_allowed(request, asked, decision, signed_in)
    offer = Offer(
        user=user,
        signed_in=signed_in,
        decision=decision,
        scopes=decision.scopes if asked.resource else (),
        identity_scopes=_identity_scopes(asked, user, signed_in),
    )
    if request.method == "POST":
        return _answered(request, asked, offer)
    if _is_consented(asked, offer) and "consent" not in asked.request.prompt:
        return _allowed(request, asked, offer, has_consented=False)
    if "none" in asked.request.prompt:
        raise OAuthError(Reason.CONSENT_REQUIRED)
    return _page(request, asked, offer).response()


def _answered(request: HttpRequest, asked: Asked, offer: Offer) -> HttpResponse:
    """The answer of a form. It is taken for what its page showed, and for nothing else (attack 31)."""
    if request.POST.get("deny"):
        return _denied(asked, offer.user)
    if not request.POST.get("allow"):
        # A form of another page: what waited for an approval is allowed now.
        return HttpResponseRedirect(authorize_precheck.address(request))
    page = _page(request, asked, offer)
    if page.is_confirmed():
        return _allowed(request, asked, offer, has_consented=True)
    error = OAuthError(Reason.CONSENT_NOT_AS_SHOWN, facts={"scope": scopes.join(offer.all_scopes)})
    record_unauthenticated(audit.Event.AUTHORIZATION_REFUSED, error, client_id=asked.client.client_id)
    return page.response(has_changed=True)


def _page(request: HttpRequest, asked: Asked, offer: Offer) -> ConsentPage:
    return ConsentPage(
        request,
        params=asked.params,
        client=asked.client,
        redirect_uri=asked.request.redirect_uri,
        resource=asked.resource,
        scopes=offer.all_scopes,
        subject=offer.user,
    )


def _decision(asked: Asked, user: User, signed_in: BrowserSignIn) -> Decision:
    return decisions.evaluate_either(_question(asked, user, signed_in, _wanted(asked)), asked.now)


def _wanted(asked: Asked) -> Sequence[str]:
    if asked.resource is None:
        return scopes.registered(asked.client.scope, asked.request.identity_scopes)
    return scopes.for_client(asked.request.scopes, asked.client.scope, resources.scopes_of(asked.resource))


def _identity_scopes(asked: Asked, user: User, signed_in: BrowserSignIn) -> tuple[str, ...]:
    """The identity scopes that this server offers, the client is registered for, and the rules leave."""
    offered = {*registry.metadata().get("scopes_supported", ()), "offline_access"}
    names = scopes.registered(asked.client.scope, [name for name in asked.request.identity_scopes if name in offered])
    if not names:
        return ()
    return decisions.evaluate_sign_in(_question(asked, user, signed_in, names), asked.now).scopes


def _question(asked: Asked, user: User, signed_in: BrowserSignIn, names: Sequence[str]) -> AccessQuestion:
    return decisions.access_question(
        client=asked.client,
        sign_in=replace(
            sign_in_of(user, signed_in),
            auth_time=decisions.as_old_as(signed_in.auth_time, then=asked.arrived, now=asked.now),
        ),
        grant_type=GRANT_TYPE,
        resource=asked.resource,
        scopes=names,
        address=asked.address,
    )


def _is_consented(asked: Asked, offer: Offer) -> bool:
    # > unless the identity of the client can be proven, the request SHOULD be processed as if no previous request had
    # > been approved. Measures such as claimed "https" scheme redirects MAY be accepted (RFC 8252 §8.6)
    if not asked.client.is_confidential and urlsplit(asked.request.redirect_uri).scheme != "https":
        return False
    return consents.covers(
        user=offer.user,
        client=asked.client,
        resource=asked.resource,
        redirect_uri=asked.request.redirect_uri,
        scopes=offer.all_scopes,
    )


def _waits(
    request: HttpRequest, asked: Asked, user: User, question: AccessQuestion, decision: Decision
) -> HttpResponse:
    """What is approved is what the same request finds allowed afterwards."""
    # > none: The Authorization Server MUST NOT display any authentication or consent user interface pages.
    if "none" in asked.request.prompt:
        raise OAuthError(Reason.CONSENT_REQUIRED, detail=decision.reason)
    return waiting_page.for_request(
        request,
        user,
        params=asked.params,
        client=asked.client,
        resource=asked.resource,
        question=question,
        decision=decision,
        now=asked.now,
    )


def _not_allowed(request: HttpRequest, asked: Asked, decision: Decision, signed_in: BrowserSignIn) -> HttpResponse:
    step_up = decision.step_up
    if step_up is None:
        raise OAuthError(
            Reason.ACCESS_DENIED_BY_POLICY, detail=decision.reason, facts=decisions.facts_of_refusal(decision)
        )
    # Another kind of sign-in can be had, if at all, where the person signed in; a more recent one here and now.
    if step_up.acr and signed_in.acr not in step_up.acr and _may_ask_for_acr(request):
        return _to_sign_in(request, asked, step_up.acr)
    is_old = step_up.max_auth_age is not None and asked.is_older(signed_in, step_up.max_auth_age)
    if is_old and (not step_up.acr or signed_in.acr in step_up.acr) and set(step_up.amr) <= set(signed_in.amr):
        return _to_sign_in(request, asked)
    raise OAuthError(Reason.AUTHENTICATION_UNMET, detail=decision.reason, facts=decisions.facts_of_refusal(decision))


def _allowed(request: HttpRequest, asked: Asked, offer: Offer, *, has_consented: bool) -> HttpResponse:
    with unit_of_work():
        # Under a lock: what ends this session (authz/authorizations/cut_off.py) finds the code that is issued here, or
        # no session.
        here = BrowserSession.objects.select_for_update().filter(digest=offer.signed_in.session_digest)
        if not here.values_list("pk").first():
            raise OAuthError(Reason.LOGIN_REQUIRED)
        if has_consented:
            _remember(asked, offer)
        code = authorization_codes.issue(
            request=asked.request,
            client=asked.client,
            user=offer.user,
            resource=asked.resource,
            decision=offer.decision,
            sign_in=offer.signed_in,
            identity_scopes=offer.identity_scopes,
            arrived=asked.arrived,
            now=asked.now,
        )
    request.session.pop(_acr_asked_key(request), None)
    return _back(asked.request.redirect_uri, {"code": code, "state": asked.request.state})


def _remember(asked: Asked, offer: Offer) -> None:
    consents.remember(
        user=offer.user,
        client=asked.client,
        resource=asked.resource,
        redirect_uri=asked.request.redirect_uri,
        scopes=offer.all_scopes,
        now=datetime.fromtimestamp(asked.now, UTC),
    )
    audit.record(
        audit.Event.CONSENT_GIVEN,
        client_id=asked.client.client_id,
        subject=str(offer.user.subject),
        resource=asked.resource.identifier if asked.resource else "",
        detail={
            "scope": scopes.join(offer.all_scopes),
            "redirect_origin": consents.origin_of(asked.request.redirect_uri),
        },
    )


def _denied(asked: Asked, user: User) -> HttpResponse:
    error = OAuthError(Reason.CONSENT_DENIED)
    audit.record(
        audit.Event.CONSENT_DENIED,
        reason=error.reason,
        client_id=asked.client.client_id,
        subject=str(user.subject),
        resource=asked.resource.identifier if asked.resource else "",
    )
    return _back(asked.request.redirect_uri, _error_parameters(error, asked.request.state))


# --- Answers ---------------------------------------------------------------------------------------------------------


def _error_parameters(error: OAuthError, state: str) -> dict[str, str]:
    # > state: REQUIRED if a "state" parameter was present in the client authorization request (RFC 6749 §4.1.2.1)
    return {"error": error.code, "error_description": error.sentence, "state": state}


def _back(redirect_uri: str, parameters: dict[str, str]) -> HttpResponse:
    """Send the person back to the client.

    > the authorization server … MUST include the "iss" parameter in … authorization responses, error responses included
    > (RFC 9207 §2)
    """
    answer = {name: value for name, value in (parameters | {"iss": conf.issuer}).items() if value}
    # > The endpoint URI MAY include … query component, which MUST be retained (RFC 6749 §3.1.2)
    separator = "&" if "?" in redirect_uri else "?"
    response: HttpResponse = OAuth2ResponseRedirect(
        f"{redirect_uri}{separator}{urlencode(answer)}", [urlsplit(redirect_uri).scheme]
    )
    return response


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
