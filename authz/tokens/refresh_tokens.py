"""Refresh tokens: opaque and stateless, `authorization.generation.MAC`.

Nothing of them is stored but a number on the authorization's row. Rotating is one compare-and-swap of that number, so
of many refreshes at once exactly one moves it; the successor is a function of the row, so a client that lost the answer
gets the same successor when it tries again within the window; and anything older is a replay, which ends the family
(RFC 9700 §4.14.2).
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from authz.keys.secrets_at_rest import key_for, other_keys_for
from authz.models import Authorization, Client
from authz.protocol.errors import OAuthError, Reason

PURPOSE = "refresh tokens"
MAXIMUM_LENGTH = 128


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token whose MAC holds: we issued it, which says nothing yet of whether it is still good."""

    authorization: UUID
    generation: int


def write(authorization: UUID, generation: int) -> str:
    """The refresh token of one generation; always the same one."""
    body = f"{_encode(authorization.bytes)}.{generation}"
    return f"{body}.{_mac(body)}"


def read(token: str) -> RefreshToken:
    """Raises `OAuthError` for what we did not write."""
    body, _, mac = token.rpartition(".")
    if len(token) > MAXIMUM_LENGTH or not token.isascii() or not _is_ours(body, mac):
        raise OAuthError(Reason.REFRESH_TOKEN_MALFORMED)
    authorization, _, generation = body.partition(".")
    return RefreshToken(UUID(bytes=urlsafe_b64decode(authorization + "==")), int(generation))


def require_key(authorization: Authorization, client: Client, jkt: str) -> None:
    """Raises `OAuthError` for a refresh token without the key that its family is bound to. `jkt`: of the key that was
    shown, "" where none was.

    > When an authorization server supporting DPoP issues a refresh token to a public client that presents a valid DPoP
    > proof at the token endpoint, the refresh token MUST be bound to the respective public key. (RFC 9449 §5)

    A client that authenticates may change its key, since "refresh tokens issued to confidential clients are not bound
    to the DPoP proof public key because they are already sender-constrained". It may not come without one: what was
    bound would become a bearer's (the downgrade).
    """
    if not authorization.dpop_jkt or (client.is_confidential and jkt):
        return
    if not jkt:
        raise OAuthError(Reason.DPOP_PROOF_MISSING, detail="refresh token")
    if jkt != authorization.dpop_jkt:
        raise OAuthError(Reason.DPOP_KEY_OF_GRANT, detail="refresh token")


def looks_like_one(token: str) -> bool:
    """Told from a JWT by its length; only to choose which to try first."""
    return len(token) <= MAXIMUM_LENGTH


def _is_ours(body: str, mac: str) -> bool:
    """Written under the current secret or, while it is being changed, under another; its successor is under the
    current one, so what is in use moves by itself."""
    if hmac.compare_digest(mac, _mac(body)):
        return True
    return any(hmac.compare_digest(mac, _mac(body, key)) for key in other_keys_for(PURPOSE))


def _mac(body: str, key: bytes | None = None) -> str:
    return _encode(hmac.digest(key or key_for(PURPOSE), body.encode(), hashlib.sha256))


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
