"""Introspection (RFC 7662): answered from the signature and from the authorization's live state."""

from collections.abc import Sequence
from typing import Any

from django.urls import path

from authz import audit, client_auth, dpop, registry, resources, tokens
from authz.conf import conf
from authz.database.raw_sql import Statement
from authz.endpoints.client_authentication import auth_methods
from authz.endpoints.machine import Answer, Request, form, json_response, machine_endpoint, now
from authz.limits import rate_limits
from authz.models import Client, ProtectedResource
from authz.protocol import jwts
from authz.protocol.errors import OAuthError, Reason
from authz.protocol.params import required
from authz.registry import Credentials
from authz.tokens import refresh_tokens
from authz.tokens.live import live_token, reading

INACTIVE = {"active": False}


def _ahead(request: Request) -> Sequence[Statement]:
    return reading(form(request).get("token", ""))


# > To prevent token scanning attacks, the endpoint MUST also require some form of authorization to access this endpoint
# > (RFC 7662 §2.1). POST only: a token in a URL is in logs.
@machine_endpoint("POST", refused=audit.Event.INTROSPECTION_REFUSED, cors=False, reads=_ahead)
def introspect(request: Request) -> Answer:
    params = form(request)
    moment = now()
    credentials = Credentials(request.META.get("HTTP_AUTHORIZATION"), params, moment)
    client, _ = client_auth.authenticate_approved(credentials)
    # Public clients prove nothing, so they learn nothing.
    if not client.is_confidential:
        raise OAuthError(Reason.CLIENT_AUTHENTICATION_WRONG_METHOD, detail="none")
    answer = introspection(required(params, "token"), client, moment)
    audit.record(
        audit.Event.TOKEN_INTROSPECTED,
        client_id=client.client_id,
        subject=str(answer.get("sub", "")),
        resource=str(answer.get("aud", "")),
        authorization=answer.get("authorization"),
        detail={"active": answer["active"], **({"jti": answer["jti"]} if "jti" in answer else {})},
    )
    rate_limits.served(client.client_id)
    return json_response(answer)


def introspection(token: str, caller: Client, moment: float) -> dict[str, Any]:
    """What `caller` may learn about `token`; for everything it may not learn about, `{"active": false}` alone.

    > If … the protected resource is not allowed to introspect this particular token, then the authorization server MUST
    > return an introspection response with the "active" field set to "false" (RFC 7662 §2.2)
    """
    if refresh_tokens.looks_like_one(token):
        return INACTIVE  # a refresh token never concerns a protected resource
    try:
        claims = tokens.read(token, now=moment)
    except jwts.JwtError:
        return INACTIVE
    resource = _resource_of(claims)
    if resource is None or not _may_introspect(caller, resource):
        return INACTIVE
    found = live_token(claims, resource, moment)
    if found is None:
        return INACTIVE
    # > token_type […] DPoP; cnf […] as a top-level member of the introspection response JSON (RFC 9449 §6.2): a claim.
    answer = {"active": True, "token_type": "DPoP" if dpop.bound_key(claims) else "Bearer", **claims}
    if found.authorization.user is not None:
        answer["username"] = found.authorization.user.username
    return answer


def _resource_of(claims: dict[str, Any]) -> ProtectedResource | None:
    for resource in resources.cached().values():
        if resource.identifier == claims["aud"]:
            return resource
    return None


def _may_introspect(caller: Client, resource: ProtectedResource) -> bool:
    return caller.pk in resources.introspection_clients_of(resource)


def metadata() -> dict[str, object]:
    confidential = [name for name in registry.client_auth_methods() if name != registry.PUBLIC]
    return {
        "introspection_endpoint": conf.endpoint("introspect"),
        **auth_methods("introspection_endpoint", confidential),
    }


METADATA = metadata
urlpatterns = [path("introspect", introspect, name="introspect")]
