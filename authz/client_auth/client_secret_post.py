"""`client_secret_post`: id and secret in the body (RFC 6749 §2.3.1)."""

from authz.models import Client
from authz.protocol.errors import OAuthError, Reason
from authz.registry import Credentials

METHOD = "client_secret_post"


def is_used(credentials: Credentials) -> bool:
    return "client_secret" in credentials.params


def client_id(credentials: Credentials) -> str:
    try:
        return credentials.params["client_id"]
    except KeyError:
        raise OAuthError(Reason.CLIENT_AUTHENTICATION_MISSING) from None


def authenticate(credentials: Credentials, client: Client) -> None:
    if not client.has_secret(credentials.params["client_secret"]):
        raise OAuthError(Reason.CLIENT_SECRET_WRONG)
