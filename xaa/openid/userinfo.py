"""The UserInfo endpoint (OpenID Connect Core §5.3): for access tokens that were issued for it, and no others."""

from typing import Any

from django.urls import path

from authz import clients, dpop, registry, tokens
from authz.conf import conf
from authz.dpop import Presented
from authz.endpoints.machine import Answer, Request, form, json_response, machine_endpoint, now
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.models import Authorization
from authz.protocol.dpop_proofs import Asked
from authz.protocol.errors import OAuthError
from authz.protocol.jwts import JwtError
from xaa.events import Event
from xaa.openid import claims


@machine_endpoint("GET", "POST")
def userinfo(request: Request) -> Answer:
    found, moment = _presented(request), now()
    if found is None:
        return _challenge(None)
    answer = told_by(found.token, moment)
    if answer is None:
        return _challenge("invalid_token")
    # Both are methods of this endpoint.
    asked = Asked(method=str(request.method), address=conf.endpoint("userinfo"), now=moment)
    try:
        dpop.confirm(request.META, found, tokens.read(found.token, now=moment), asked)
    except OAuthError as error:
        return _not_its_key(error)
    return json_response(answer)


def told_by(token: str, moment: float) -> dict[str, Any] | None:
    """What the token may learn of its person; None if it may learn nothing (any more).

    A token for a protected resource is refused: the operator of that resource holds it, and was not told who the
    person is.
    """
    try:
        presented = tokens.read(token, now=moment)
    except JwtError:
        return None
    if presented.get("aud") != conf.endpoint("userinfo"):
        return None
    authorization = (
        Authorization.objects.select_related("user").filter(pk=presented["authorization"], revoked=None).first()
    )
    client = clients.registered(presented["client_id"])
    if authorization is None or client is None or authorization.client_id != client.pk:
        return None
    user = authorization.user
    if not client.is_approved(moment) or authorization.client_digest != client.consent_digest:
        return None
    if not registry.is_live(authorization, client):
        return None
    if user is None or not user.is_active or "openid" not in authorization.identity_scopes:
        return None
    # > The sub (subject) Claim MUST always be returned in the UserInfo Response. (OpenID Connect Core §5.3.2)
    return {"sub": str(user.subject), **claims.of(user, authorization.identity_scopes)}


def _presented(request: Request) -> Presented | None:
    if (found := dpop.presented(request.META.get("HTTP_AUTHORIZATION"))) is not None:
        return found
    # > using either HTTP GET or HTTP POST [...] the Access Token MUST be sent as a Bearer Token (RFC 6750 §2.2)
    token = form(request).get("access_token") if request.method == "POST" else None
    return None if token is None else Presented(token, is_bound=False)


def _not_its_key(error: OAuthError) -> Answer:
    """Recorded, since someone has a token that is another's; 503 where it cannot be."""
    try:
        record_unauthenticated(Event.USERINFO_REFUSED, error)
    except UnrecordedError as unrecorded:
        return json_response(unrecorded.body(), status=unrecorded.status)
    return json_response(error.body(), status=401, headers=dpop.refusal_headers(error))


def _challenge(error: str | None) -> Answer:
    # > if the protected resource request included an access token and failed authentication, the resource server SHOULD
    # > include the "error" attribute (RFC 6750 §3)
    header = 'Bearer realm="gatehouse"' + (f', error="{error}"' if error else "")
    body = {"error": error} if error else {}
    return json_response(body, status=401, headers={"WWW-Authenticate": header})


def metadata() -> dict[str, object]:
    return {"userinfo_endpoint": conf.endpoint("userinfo")}


METADATA = metadata
urlpatterns = [path("userinfo", userinfo, name="userinfo")]
