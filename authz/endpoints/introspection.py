"""Introspection (RFC 7662): answered from the signature and from the authorization's live state."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.urls import path

from authz import audit, client_auth, clients, decisions, registry, resources, tokens
from authz.authorizations import live
from authz.conf import conf
from authz.database.raw_sql import Statement
from authz.endpoints.client_authentication import auth_methods
from authz.endpoints.machine import Answer, Request, form, json_response, machine_endpoint, now
from authz.limits import rate_limits
from authz.models import Authorization, Client, ProtectedResource
from authz.protocol import jwts
from authz.protocol.errors import OAuthError, Reason
from authz.protocol.params import Params, required
from authz.registry import Credentials
from authz.sign_in.sign_in import sign_in_of
from authz.tokens import refresh_tokens
from authz.tokens.authorization_codes import ARRIVED

INACTIVE = {"active": False}


def _ahead(params: Params) -> Sequence[Statement]:
    """The authorization that the token names. Its signature is verified later, with keys that are read before."""
    try:
        return (live.reading(UUID(str(jwts.parse(params.get("token", "")).claims.get("authorization")))),)
    except (jwts.JwtError, ValueError):
        return ()


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
    authorization = live_authorization(claims, resource, moment)
    if authorization is None:
        return INACTIVE
    answer = {"active": True, "token_type": "Bearer", **claims}
    if authorization.user is not None:
        answer["username"] = authorization.user.username
    return answer


def _resource_of(claims: dict[str, Any]) -> ProtectedResource | None:
    for resource in resources.cached().values():
        if resource.identifier == claims["aud"]:
            return resource
    return None


def _may_introspect(caller: Client, resource: ProtectedResource) -> bool:
    return caller.pk in resources.introspection_clients_of(resource)


def live_authorization(claims: dict[str, Any], resource: ProtectedResource, moment: float) -> Authorization | None:
    """What a token stands under, with its `user`; None if revoked, suspended, deactivated or no longer allowed."""
    authorization = live.find_with_groups(UUID(claims["authorization"]))
    client = clients.registered(claims["client_id"])
    if authorization is None or authorization.revoked is not None or authorization.resource_id != resource.pk:
        return None
    if client is None or authorization.client_id != client.pk:
        return None
    if not client.is_approved(moment) or authorization.client_digest != client.consent_digest:
        return None
    if not registry.is_live(authorization, client):
        return None
    user = authorization.user
    if user is not None and not user.is_active:
        return None
    question = decisions.access_question(
        client=client,
        sign_in=sign_in_of(user, authorization) if user else None,
        grant_type=authorization.grant_type,
        resource=resource,
        scopes=str(claims["scope"]).split(),
    )
    if not decisions.still_allowed(question, issued_at=_judged_at(authorization, claims["iat"]), now=moment):
        return None
    return authorization


def _judged_at(authorization: Authorization, issued_at: float) -> float:
    """When the sign-in's age was judged: for the token of a code, when the authorization request arrived."""
    if issued_at <= authorization.created.timestamp():
        return float(authorization.lineage.get(ARRIVED, issued_at))
    return issued_at


def metadata() -> dict[str, object]:
    confidential = [name for name in registry.client_auth_methods() if name != registry.PUBLIC]
    return {
        "introspection_endpoint": conf.endpoint("introspect"),
        **auth_methods("introspection_endpoint", confidential),
    }


METADATA = metadata
urlpatterns = [path("introspect", introspect, name="introspect")]
