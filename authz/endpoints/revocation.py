"""Revocation (RFC 7009): a client ends an authorization of its own."""

from datetime import UTC, datetime
from uuid import UUID

from django.urls import path

from authz import audit, authorizations, client_auth, registry, tokens
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.endpoints.client_authentication import auth_methods
from authz.endpoints.machine import Answer, Request, form, json_response, machine_endpoint, now
from authz.grants import deferred
from authz.models import Authorization
from authz.protocol import jwts
from authz.protocol.errors import OAuthError, Reason
from authz.protocol.params import required
from authz.registry import Credentials
from authz.tokens import refresh_tokens


@machine_endpoint("POST", refused=audit.Event.REVOCATION_REFUSED)
def revoke(request: Request) -> Answer:
    """End the authorization behind a token, with every token under it, refresh and access alike. Raises `OAuthError`.

    > If the particular token is a refresh token and the authorization server supports the revocation of access tokens,
    > then the authorization server SHOULD also invalidate all access tokens based on the same authorization grant
    > (RFC 7009 §2.1)
    """
    params = form(request)
    moment = now()
    credentials = Credentials(request.META.get("HTTP_AUTHORIZATION"), params, moment)
    # Also a suspended client may give up what it holds.
    client, _ = client_auth.authenticate(credentials)
    token = required(params, "token")
    authorization_id = _authorization_of(token, moment)
    # > invalid tokens do not cause an error response since the client cannot handle such an error (RFC 7009 §2.2)
    if authorization_id is None:
        # > Authorization servers MUST extend the revocation endpoint to accept deferral codes
        # > (draft-ietf-oauth-deferred-token-response, § Revocation Semantics)
        deferred.cancel(token, client)
        return json_response({})
    authorization = Authorization.objects.filter(pk=authorization_id).first()
    if authorization is None:
        return json_response({})
    audit.concerns(authorization=authorization_id)
    # > the authorization server … verifies whether the token was issued to the client making the revocation request. If
    # > this validation fails, the request is refused (RFC 7009 §2.1)
    if authorization.client_id != client.pk:
        raise OAuthError(Reason.TOKEN_OF_ANOTHER_CLIENT)
    with unit_of_work():
        authorizations.end(
            Authorization.objects.filter(pk=authorization_id),
            reason="revoked by the client",
            now=datetime.fromtimestamp(moment, UTC),
        )
    return json_response({})


def _authorization_of(token: str, moment: float) -> UUID | None:
    try:
        if refresh_tokens.looks_like_one(token):
            return refresh_tokens.read(token).authorization
        return UUID(tokens.read(token, now=moment)["authorization"])
    except (OAuthError, jwts.JwtError):
        return None


def metadata() -> dict[str, object]:
    return {
        "revocation_endpoint": conf.endpoint("revoke"),
        **auth_methods("revocation_endpoint", list(registry.client_auth_methods())),
    }


METADATA = metadata
urlpatterns = [path("revoke", revoke, name="revoke")]
