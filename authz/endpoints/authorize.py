"""The authorization endpoint (RFC 6749 §3.1; OAuth 2.1 §4.1): sign-in, consent, and the way back to the client.

GET can be repeated and changes nothing but the person's own session (interop 9). The consent form posts back to the
same address, so the request is read and judged again from the URL, and nothing of it travels in hidden fields.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from oauth2_provider.http import OAuth2ResponseRedirect

from authz import (
    access_notices,
    access_requests,
    approvers,
    audit,
    clients,
    codes,
    consents,
    decisions,
    notifications,
    registry,
    resources,
    sign_in,
)
from authz.addresses import client_address
from authz.conf import conf
from authz.endpoints import arrival
from authz.endpoints.content_security_policy import POLICY
from authz.endpoints.machine import now, request_id
from authz.models import AccessRequest, BrowserSession, Client, ProtectedResource, User
from authz.notifications import Kind
from authz.policy import Ask, Decision, Outcome
from authz.protocol import authorization_request, redirect_uris, scopes
from authz.protocol.authorization_request import AuthorizationRequest
from authz.protocol.errors import OAuthError, Reason
from authz.protocol.params import Params
from authz.refusals import record_unauthenticated
from authz.sign_in import SignIn
from authz.transactions import settled

GRANT_TYPE = "authorization_code"
_IDENTITY_IN_WORDS = {
    "openid": "Know who you are",
    "profile": "See your name",
    "email": "See your e-mail address",
    "groups": "See which groups you belong to",
    "offline_access": "Stay connected while you are away",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One authorization request: what was asked for, by which client, at which resource, from where, and when."""

    client: Client
    request: AuthorizationRequest
    resource: ProtectedResource | None
    address: str
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a person who is signed in may hand on: the decision on the resource, and the identity scopes beside it."""

    user: User
    signed_in: SignIn
    decision: Decision
    scopes: tuple[str, ...]
    identity_scopes: tuple[str, ...]

    @property
    def all_scopes(self) -> tuple[str, ...]:
        return (*self.scopes, *self.identity_scopes)


@never_cache
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    arrived = arrival.of(request)
    client, redirect_uri = arrived.client, arrived.redirect_uri
    with audit.origin(client_address(request.META), request_id(request.META), "authorize"):
        if client.state(now()) == Client.Status.PENDING:
            return _waiting_client(request, client)
        try:
            clients.require_approved(client, now())
            return _answer(request, client, arrived.params, redirect_uri)
        except OAuthError as error:
            error = record_unauthenticated(audit.Event.AUTHORIZATION_REFUSED, error, client_id=client.client_id)
            return _back(redirect_uri, _error_parameters(error, arrived.params.get("state", "")))


def _answer(request: HttpRequest, client: Client, params: Params, redirect_uri: str) -> HttpResponse:
    wanted = authorization_request.read(params, redirect_uri=redirect_uri, grant_types=client.grant_types)
    asked = Asked(
        client=client,
        request=wanted,
        resource=None if wanted.is_sign_in_only else resources.requested(wanted.resource),
        address=client_address(request.META),
        now=now(),
    )
    user = request.user
    if not isinstance(user, User):
        return _to_sign_in(request, asked)
    signed_in = sign_in.current(request)
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
    if "login" in asked.request.prompt:
        request.session[_asked_at_key(request)] = int(asked.now)
    if wanted := list(acr_values or asked.request.acr_values):
        request.session[sign_in.ACR_VALUES] = wanted
        request.session[_acr_asked_key(request)] = True
    back_here = request.get_full_path()
    if request.user.is_authenticated:
        return redirect_to_login(back_here, sign_in.anew(request))
    login = QueryDict(mutable=True)
    login["next"] = back_here
    if asked.request.login_hint:
        login["login_hint"] = asked.request.login_hint
    return HttpResponseRedirect(f"{reverse('account_login')}?{login.urlencode(safe='/')}")


def _is_too_old(request: HttpRequest, asked: Asked, signed_in: SignIn) -> bool:
    # A session that does not say when it began cannot be vouched for in a token's auth_time.
    if not signed_in.auth_time:
        return True
    # > login: The Authorization Server SHOULD prompt the End-User for reauthentication. (OpenID Connect Core §3.1.2.1)
    # When it was asked for is kept in the session; taking `prompt` out of the URL would be the person's own doing.
    if "login" in asked.request.prompt and signed_in.auth_time < request.session.get(_asked_at_key(request), asked.now):
        return True
    # > If the elapsed time is greater than this value, the OP MUST attempt to actively re-authenticate the End-User.
    # > (OpenID Connect Core §3.1.2.1)
    max_age = asked.request.max_age
    return max_age is not None and asked.now - signed_in.auth_time > max_age


def _is_another_kind(request: HttpRequest, asked: Asked, signed_in: SignIn) -> bool:
    # > acr_values: [...] The acr Claim is requested as a Voluntary Claim by this parameter. (OpenID Connect Core
    # > §3.1.2.1) So it is asked for once, and what comes back is taken; `acr` then says what it was.
    wanted = asked.request.acr_values
    if not wanted or signed_in.acr in wanted or "none" in asked.request.prompt:
        return False
    return _may_ask_for_acr(request)


def _may_ask_for_acr(request: HttpRequest) -> bool:
    """Who signs in here shows all factors that they have each time; only somebody else's sign-in may know another."""
    return sign_in.is_elsewhere(request) and _acr_asked_key(request) not in request.session


def _acr_asked_key(request: HttpRequest) -> str:
    return f"acr of {_asked_at_key(request)}"


def _asked_at_key(request: HttpRequest) -> str:
    return "sign-in asked at " + hashlib.sha256(request.get_full_path().encode()).hexdigest()


# --- Deciding and consenting ---------------------------------------------------------------------------------------


def _decide(request: HttpRequest, asked: Asked, user: User, signed_in: SignIn) -> HttpResponse:
    decision = _decision(asked, user, signed_in)
    if decision.effect is Outcome.PENDING:
        return _asks_a_human(request, asked, _question(asked, user, signed_in, _wanted(asked)), decision)
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
        if not request.POST.get("allow"):
            return _denied(asked, user)
        return _allowed(request, asked, offer, has_consented=True)
    if _is_consented(asked, offer) and "consent" not in asked.request.prompt:
        return _allowed(request, asked, offer, has_consented=False)
    if "none" in asked.request.prompt:
        raise OAuthError(Reason.CONSENT_REQUIRED)
    return _consent_page(request, asked, offer)


def _decision(asked: Asked, user: User, signed_in: SignIn) -> Decision:
    question = _question(asked, user, signed_in, _wanted(asked))
    if asked.resource is None:
        return decisions.judge_sign_in(question, asked.now)
    return decisions.judge(question, asked.now)


def _wanted(asked: Asked) -> Sequence[str]:
    if asked.resource is None:
        return scopes.registered(asked.client.scope, asked.request.identity_scopes)
    known = scopes.registered(asked.client.scope, resources.scopes_of(asked.resource))
    return scopes.narrow(asked.request.scopes, known)


def _identity_scopes(asked: Asked, user: User, signed_in: SignIn) -> tuple[str, ...]:
    """The identity scopes that this server offers, the client is registered for, and the rules leave."""
    offered = {*registry.metadata().get("scopes_supported", ()), "offline_access"}
    names = scopes.registered(asked.client.scope, [name for name in asked.request.identity_scopes if name in offered])
    if not names:
        return ()
    return decisions.judge_sign_in(_question(asked, user, signed_in, names), asked.now).scopes


def _question(asked: Asked, user: User, signed_in: SignIn, names: Sequence[str]) -> Ask:
    return decisions.ask(
        client=asked.client,
        user=user,
        grant_type=GRANT_TYPE,
        resource=asked.resource,
        scopes=names,
        auth_time=signed_in.auth_time,
        acr=signed_in.acr,
        amr=signed_in.amr,
        address=asked.address,
    )


def _is_consented(asked: Asked, offer: Offer) -> bool:
    return consents.covers(
        user=offer.user,
        client=asked.client,
        resource=asked.resource,
        redirect_uri=asked.request.redirect_uri,
        scopes=offer.all_scopes,
    )


def _asks_a_human(request: HttpRequest, asked: Asked, question: Ask, decision: Decision) -> HttpResponse:
    """The ask becomes an access request, once. What is approved is what the same request finds allowed afterwards."""
    # > none: The Authorization Server MUST NOT display any authentication or consent user interface pages.
    if "none" in asked.request.prompt:
        raise OAuthError(Reason.CONSENT_REQUIRED, detail=decision.reason)
    waiting = decisions.open_request(question, decision)
    if request.method == "POST" and "reason" in request.POST and isinstance(request.user, User):
        moment = datetime.fromtimestamp(asked.now, UTC)
        access_requests.explain(waiting, by=request.user, reason=request.POST["reason"], now=moment)
        return HttpResponseRedirect(request.get_full_path())
    return _waiting(request, asked, waiting, decisions.facts_of_refusal(decision))


def _not_allowed(request: HttpRequest, asked: Asked, decision: Decision, signed_in: SignIn) -> HttpResponse:
    step_up = decision.step_up
    if step_up is None:
        raise OAuthError(
            Reason.ACCESS_DENIED_BY_POLICY, detail=decision.reason, facts=decisions.facts_of_refusal(decision)
        )
    # Another kind of sign-in can be had, if at all, where the person signed in; a more recent one here and now.
    if step_up.acr and signed_in.acr not in step_up.acr and _may_ask_for_acr(request):
        return _to_sign_in(request, asked, step_up.acr)
    is_old = step_up.max_auth_age is not None and asked.now - signed_in.auth_time > step_up.max_auth_age
    if is_old and (not step_up.acr or signed_in.acr in step_up.acr) and set(step_up.amr) <= set(signed_in.amr):
        return _to_sign_in(request, asked)
    raise OAuthError(Reason.AUTHENTICATION_UNMET, detail=decision.reason, facts=decisions.facts_of_refusal(decision))


def _allowed(request: HttpRequest, asked: Asked, offer: Offer, *, has_consented: bool) -> HttpResponse:
    with settled():
        # Under a lock: what ends this session (authz/cut_off.py) finds the code that is issued here, or no session.
        here = BrowserSession.objects.select_for_update().filter(digest=offer.signed_in.session_digest)
        if not here.values_list("pk").first():
            raise OAuthError(Reason.LOGIN_REQUIRED)
        if has_consented:
            _remember(asked, offer)
        code = codes.issue(
            request=asked.request,
            client=asked.client,
            user=offer.user,
            resource=asked.resource,
            decision=offer.decision,
            sign_in=offer.signed_in,
            identity_scopes=offer.identity_scopes,
            now=asked.now,
        )
    for key in (_asked_at_key(request), _acr_asked_key(request)):
        request.session.pop(key, None)
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


def _waiting(request: HttpRequest, asked: Asked, waiting: AccessRequest, facts: Mapping[str, object]) -> HttpResponse:
    """A page that says who has to say yes to this ask, who of them was told, and takes the person's reason."""
    error = OAuthError(Reason.APPROVAL_PENDING, facts=facts)
    record_unauthenticated(audit.Event.AUTHORIZATION_REFUSED, error, client_id=asked.client.client_id)
    told = notifications.told_about(str(waiting.pk), Kind.ACCESS_REQUESTED)
    context = {
        "client": {"name": asked.client.name, "host": asked.client.host},
        "resource": asked.resource,
        "what": "Your organisation lets a person decide this. It is asked for now, once; nothing else happens yet.",
        "told": told,
        "approvers": [_named(person) for person in approvers.who(waiting)],
        "access_request": waiting,
        "request_id": waiting.pk,
        "again": request.get_full_path(),
    }
    return render(request, "authorize/waiting.html", context, status=403)


def _waiting_client(request: HttpRequest, client: Client) -> HttpResponse:
    """A page that says that nobody has approved this agent yet. Who could is told, and named, to people who are signed
    in: strangers must neither learn their addresses nor write to them."""
    error = OAuthError(Reason.CLIENT_NOT_APPROVED)
    record_unauthenticated(audit.Event.AUTHORIZATION_REFUSED, error, client_id=client.client_id)
    context: dict[str, object] = {
        "client": {"name": client.name, "host": client.host},
        "what": _why_it_waits(client),
        "request_id": audit.current_origin().request_id,
    }
    if isinstance(request.user, User):
        with settled():
            told = access_notices.agent_waits(client, request.user, datetime.fromtimestamp(now(), UTC))
        context |= {"told": told, "approvers": [_named(person) for person in access_notices.who_approves_agents()]}
    else:
        login = QueryDict(mutable=True)
        login["next"] = request.get_full_path()
        context["sign_in"] = f"{reverse('account_login')}?{login.urlencode(safe='/')}"
    return render(request, "authorize/waiting.html", context, status=403)


def _why_it_waits(client: Client) -> str:
    """In words; "" if nobody has approved it so far."""
    if client.status == Client.Status.APPROVED:
        return "The approval of this agent has ended, and nobody has renewed it yet."
    return registry.presentation(client).get("waits_because", "")


def _named(person: User) -> str:
    return person.email or person.username


def _consent_page(request: HttpRequest, asked: Asked, offer: Offer) -> HttpResponse:
    shown = redirect_uris.display(asked.request.redirect_uri)
    client = asked.client
    registered = [redirect_uris.display(uri) for uri in client.redirect_uri_list]
    context = {
        "client": {
            "name": client.name or client.client_id,
            "client_id": client.client_id,
            "host": client.host,
            "host_note": "",
            "is_loopback_only": all(uri.is_loopback for uri in registered),
            "logo_url": "",
            **registry.presentation(client),
        },
        "resource": asked.resource,
        "scopes": _in_words(asked.resource, offer.all_scopes),
        "redirect": {"host": shown.host, "scheme": shown.scheme, "is_loopback": shown.is_loopback},
        "subject": offer.user,
        "warnings": [],
    }
    response = render(request, "authorize/consent.html", context)
    # Browsers apply form-action to the redirect that answers a form, so the client's address has to be in it.
    target = f"{shown.scheme}://{urlsplit(asked.request.redirect_uri).netloc}" if shown.host else f"{shown.scheme}:"
    response["Content-Security-Policy"] = f"{POLICY}; form-action 'self' {target}"
    return response


def _in_words(resource: ProtectedResource | None, wanted: Sequence[str]) -> list[dict[str, object]]:
    known = resources.scopes_of(resource) if resource else {}
    in_words: list[dict[str, object]] = []
    for name in wanted:
        scope = known.get(name)
        in_words.append(
            {
                "name": name,
                "description": scope.description if scope else _IDENTITY_IN_WORDS.get(name, name),
                "sensitivity": scope.sensitivity if scope else "low",
                "is_identity": scope is None,
            }
        )
    return in_words


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
