"""`client_secret_basic`: HTTP Basic with id and secret (RFC 6749 §2.3.1, RFC 7617)."""

import re
from base64 import b64decode
from urllib.parse import unquote_plus

from authz.models import Client
from authz.protocol.errors import OAuthError, Reason
from authz.registry import Credentials

METHOD = "client_secret_basic"
IN_HEADER = True
MAXIMUM_LENGTH = 4096
# > credentials = auth-scheme [ 1*SP ( token68 / #auth-param ) ] (RFC 9110 §11.4)
_SCHEME = re.compile(r"basic(?![!#$%&'*+.^_`|~0-9a-z-])", re.ASCII | re.IGNORECASE)
_CREDENTIALS = re.compile(r"basic +([a-z0-9+/]+=*)", re.ASCII | re.IGNORECASE)


def is_used(credentials: Credentials) -> bool:
    # Also with nothing behind it, or with a tab: what is malformed does not count as no authentication.
    return credentials.authorization is not None and _SCHEME.match(credentials.authorization) is not None


def client_id(credentials: Credentials) -> str:
    return unquote_plus(_pair(credentials)[0])


def names_public_client(credentials: Credentials) -> bool:
    """Whether the header names a client and proves nothing.

    > client_secret: […] The client MAY omit the parameter if the client secret is an empty string. (RFC 6749 §2.3.1) A
    public client has none, so this is the method `none`; a confidential client is refused as by a wrong method.
    """
    return not _pair(credentials)[1]


def authenticate(credentials: Credentials, client: Client) -> None:
    secret = _pair(credentials)[1]
    # > the "application/x-www-form-urlencoded" encoding algorithm … encoded value is used as the password (RFC 6749
    # > §2.3.1). Python's SDK encodes, TypeScript's does not (interop 4). Trying both is safe: whichever matches, the
    # caller knew the secret.
    if not client.has_secret(unquote_plus(secret)) and not client.has_secret(secret):
        raise OAuthError(Reason.CLIENT_SECRET_WRONG)


def _pair(credentials: Credentials) -> tuple[str, str]:
    pair: tuple[str, str] | None = credentials.read.get(METHOD)
    if pair is None:
        pair = credentials.read[METHOD] = _read(credentials.authorization or "")
    return pair


def _read(header: str) -> tuple[str, str]:
    found = _CREDENTIALS.fullmatch(header) if len(header) <= MAXIMUM_LENGTH else None
    try:
        text = b64decode(found[1] if found else "", validate=True).decode("utf-8")
    except ValueError:
        raise OAuthError(Reason.CLIENT_AUTHENTICATION_MALFORMED) from None
    # The address of a metadata document, not percent-encoded, with an empty password: its own colon doesn't separate.
    is_address = text.startswith(("https://", "http://")) and text.endswith(":")
    username, colon, password = (text[:-1], ":", "") if is_address else text.partition(":")
    if not colon or not username:
        raise OAuthError(Reason.CLIENT_AUTHENTICATION_MALFORMED)
    return username, password
