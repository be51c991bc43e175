"""Whether a person has to sign in, or to sign in again, before an authorization request is decided."""

import hashlib
from collections.abc import Sequence

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from authz.endpoints import authorize_precheck
from authz.endpoints.authorize_request import AuthorizationContext
from authz.protocol.errors import OAuthError, Reason
from authz.sign_in import demanded_factor, session
from authz.sign_in.session import BrowserSignIn


def to_sign_in(request: HttpRequest, context: AuthorizationContext, acr_values: Sequence[str] = ()) -> HttpResponse:
    """Send the person to the page where they sign in, or sign in again. It asks for `acr_values`, or for the request's.

    Raises OAuthError where the request forbids pages.
    """
    # > none: The Authorization Server MUST NOT display any authentication or consent user interface pages. An error is
    # > returned if an End-User is not already Authenticated (OpenID Connect Core §3.1.2.1)
    if "none" in context.request.prompt:
        raise OAuthError(Reason.LOGIN_REQUIRED)
    if wanted := list(acr_values or context.request.acr_values):
        request.session[session.ACR_VALUES] = wanted
        request.session[_acr_asked_key(request)] = True
    back_here = authorize_precheck.address(request)
    if request.user.is_authenticated:
        return redirect_to_login(back_here, session.anew(request))
    login = QueryDict(mutable=True)
    login["next"] = back_here
    if context.request.login_hint:
        login["login_hint"] = context.request.login_hint
    return HttpResponseRedirect(f"{reverse('account_login')}?{login.urlencode(safe='/')}")


def to_second_factor(request: HttpRequest, context: AuthorizationContext, factor: str = "") -> HttpResponse:
    """Send the person to where they show a second factor, or set one up. Raises OAuthError where no page is allowed."""
    if "none" in context.request.prompt:
        raise OAuthError(Reason.SECOND_FACTOR_DEMANDED)
    return HttpResponseRedirect(demanded_factor.address(authorize_precheck.address(request), factor))


def missing_factor(wanted: Sequence[str], signed_in: BrowserSignIn) -> str | None:
    """Which second factor would add to a sign-in here what a rule's `amr` asks for: `otp`, `hwk`, "" for any; None if
    none would.
    """
    missing = set(wanted) - set(signed_in.amr)
    # One of them alone counts as the second factor: the one that was shown last.
    if not missing or not missing <= {"otp", "hwk", "mfa"} or {"otp", "hwk"} <= set(wanted):
        return None
    return next(iter(set(wanted) & {"otp", "hwk"}), "")


def is_too_old(request: HttpRequest, context: AuthorizationContext, signed_in: BrowserSignIn) -> bool:
    """Whether the person has to sign in again because of the time of the sign-in."""
    # A session without the time of its sign-in gives no `auth_time` for a token.
    if not signed_in.auth_time:
        return True
    # > login: The Authorization Server SHOULD prompt the End-User for reauthentication. (OpenID Connect Core §3.1.2.1)
    if "login" in context.request.prompt and (context.is_new or signed_in.at < context.arrived):
        return True
    # > If the elapsed time is greater than this value, the OP MUST attempt to actively re-authenticate the End-User.
    # > (OpenID Connect Core §3.1.2.1)
    max_age = context.request.max_age
    return max_age is not None and context.is_older(signed_in, max_age)


def is_another_kind(request: HttpRequest, context: AuthorizationContext, signed_in: BrowserSignIn) -> bool:
    """Whether the request asks for another kind of sign-in, and hasn't asked for it yet."""
    # > acr_values: [...] The acr Claim is requested as a Voluntary Claim by this parameter. (OpenID Connect Core
    # > §3.1.2.1) So it is asked for once, and what comes back is taken; `acr` then says what it was.
    wanted = context.request.acr_values
    if not wanted or signed_in.acr in wanted or "none" in context.request.prompt:
        return False
    return may_ask_for_acr(request)


def may_ask_for_acr(request: HttpRequest) -> bool:
    """A sign-in here always asks for all factors of the person; only another issuer's sign-in may know more."""
    return session.is_elsewhere(request) and _acr_asked_key(request) not in request.session


def _acr_asked_key(request: HttpRequest) -> str:
    return "acr asked at " + hashlib.sha256(request.get_full_path().encode()).hexdigest()


def forget_acr(request: HttpRequest) -> None:
    """The request is answered: the same request asks for its `acr_values` once more."""
    request.session.pop(_acr_asked_key(request), None)
