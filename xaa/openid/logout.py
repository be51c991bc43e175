"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): the sign-in ends, and with it its power to mint."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import logout as sign_out
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from authz import audit, clients, keys
from authz.conf import conf
from authz.database import configuration_cache
from authz.endpoints.machine import now, request_id
from authz.limits.addresses import client_address
from authz.protocol import jwts
from authz.protocol.errors import OAuthError
from authz.sign_in.session import session_digest
from xaa.openid.id_token import TYP
from xaa.subjects import sessions


# A logout that carries an ID token of ours needs no form of ours: who holds that token was told about the session. One
# without a hint changes nothing but leads to the page where the person decides, so forging it is of no use (attack 31).
@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def logout(request: HttpRequest) -> HttpResponse:
    with audit.origin(client_address(request.META), request_id(request.META)):
        configuration_cache.begin()
        params = request.GET if request.method == "GET" else request.POST
        hint = hinted(params.get("id_token_hint", ""), now())
        # > If the id_token_hint is not provided, or does not match the session, the OP SHOULD ask the End-User (§2)
        if hint is None or params.get("client_id", hint["aud"]) != hint["aud"]:
            return redirect("account_logout")
        sessions.end_by_digest(hint.get("sid", ""))
        if session_digest(request.session.session_key or "") == hint.get("sid") or _is_hinted(request, hint):
            sign_out(request)
        target = _back_to(hint["aud"], params.get("post_logout_redirect_uri", ""))
        if target is None:
            return redirect("account_login")
        state = params.get("state")
        separator = "&" if "?" in target else "?"
        return HttpResponseRedirect(f"{target}{separator}{urlencode({'state': state})}" if state else target)


def hinted(token: str, moment: float) -> dict[str, Any] | None:
    """The claims of an ID token of ours, or None."""
    # > The OP SHOULD accept ID Tokens [...] even when the exp time has passed (§2)
    try:
        claims = jwts.verify(token, keys.verification_keys(moment), typ={TYP}).claims
    except jwts.JwtError:
        return None
    if claims.get("iss") != conf.issuer or not isinstance(claims.get("aud"), str):
        return None
    return claims


def _is_hinted(request: HttpRequest, hint: dict[str, Any]) -> bool:
    # The same person may have signed in anew in this browser since the ID token was issued.
    return request.user.is_authenticated and str(getattr(request.user, "subject", "")) == hint.get("sub")


def _back_to(client_id: str, post_logout_redirect_uri: str) -> str | None:
    # > This URI [...] MUST have been previously registered with the OP (§2); compared as redirect URIs are.
    try:
        registered = clients.find(client_id).post_logout_redirect_uris.split()
    except OAuthError:
        return None
    return post_logout_redirect_uri if post_logout_redirect_uri in registered else None


def metadata() -> dict[str, object]:
    return {"end_session_endpoint": conf.endpoint("logout")}


METADATA = metadata
urlpatterns = [path("logout", logout, name="logout")]
