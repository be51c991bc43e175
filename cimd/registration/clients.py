"""The row of a registered client, written and described."""

import secrets
from dataclasses import replace
from typing import Any

from authz.conf import conf
from authz.models import Client
from authz.protocol.client_metadata import SECRET_METHODS, ClientMetadata
from authz.protocol.errors import OAuthError
from cimd import changes, client_row
from cimd.reasons import Reason


def apply(client: Client, wanted: ClientMetadata) -> str:
    """Write what was validated into the row; the new secret, `""` where it keeps the old one or needs none."""
    client_row.write(client, replace(wanted, scope=tuple(wanted.scope or ())))
    secret = ""
    if wanted.token_endpoint_auth_method not in SECRET_METHODS:
        client.secret_digest = ""
    elif not client.secret_digest:
        secret = secrets.token_urlsafe(36)
        client.set_secret(secret)
    digest = changes.security_digest(wanted)
    if digest != client.metadata_digest:
        client.metadata_digest = digest
        client_row.end_what_it_had(client, digest)
    client.save()
    return secret


def held(authenticated: Any) -> Client:
    """The client's row as it is now, held until the transaction ends. Raises `OAuthError`."""
    client = Client.objects.select_for_update().filter(pk=authenticated.application.pk).first()
    if client is None:
        raise OAuthError(Reason.REGISTRATION_DENIED, detail="token")
    return client


def described(client: Client, registration_access_token: str) -> dict[str, Any]:
    """The client information response (RFC 7591 §3.2.1, RFC 7592 §3)."""
    described: dict[str, Any] = {
        "client_id": client.client_id,
        "redirect_uris": client.redirect_uri_list,
        "grant_types": client.grant_types,
        "response_types": ["code"],
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "scope": " ".join(client.scope or ()),
        "registration_access_token": registration_access_token,
        # The issuer is a setting: nothing is derived from the Host header (invariant 7).
        "registration_client_uri": f"{conf.endpoint('register')}/{client.client_id}",
    }
    optional = {
        "client_name": client.name,
        "client_uri": client.client_uri,
        "jwks": client.client_jwks,
        "jwks_uri": client.client_jwks_uri,
        "require_pushed_authorization_requests": client.require_pushed_authorization_requests,
        "dpop_bound_access_tokens": client.dpop_bound_access_tokens,
    }
    return described | {name: value for name, value in optional.items() if value}
