"""`none`: public clients name themselves and prove nothing (RFC 7591 §2). PKCE and redirect URIs protect them."""

from authz import registry
from authz.client_auth import client_secret_basic
from authz.models import Client
from authz.protocol.errors import OAuthError, Reason
from authz.registry import Credentials

METHOD = "none"


def is_used(credentials: Credentials) -> bool:
    return "client_id" in credentials.params


def client_id(credentials: Credentials) -> str:
    # An HTTP Basic header with an empty password (`authenticate` has looked): it names the client, as the body may.
    if credentials.authorization is not None:
        return client_secret_basic.client_id(credentials)
    # > A public client MUST … include the "client_id" parameter (RFC 6749 §3.2.1, §4.1.3)
    named = credentials.params.get("client_id") or registry.client_named_by_grant(credentials.params)
    if named is None:
        raise OAuthError(Reason.CLIENT_AUTHENTICATION_MISSING)
    return named


def authenticate(credentials: Credentials, client: Client) -> None:
    """Nothing to prove; that this is the registered method has been checked."""
