"""Signing webhooks (Standard Webhooks 1.0.0, https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"
# > Random. At least 24 bytes (192 bits, 512 maximum) (Signature scheme)
_SHORTEST, _LONGEST = 24, 64


class SecretError(ValueError):
    """Not a secret of the right shape; says why."""


def key(secret: str) -> bytes:
    """The bytes of a secret in its serialized form, `whsec_` and base64. Raises `SecretError`."""
    if not secret.startswith(_PREFIX):
        raise SecretError(f"begins with {_PREFIX}")
    try:
        found = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise SecretError(f"is {_PREFIX} and base64") from None
    if not _SHORTEST <= len(found) <= _LONGEST:
        raise SecretError(f"holds {_SHORTEST} to {_LONGEST} bytes")
    return found


def serialized(key: bytes) -> str:
    return _PREFIX + base64.b64encode(key).decode()


def headers(key: bytes, *, message_id: str, timestamp: int, payload: bytes) -> dict[str, str]:
    """The three headers of one attempt; `timestamp` is its own, in seconds since the epoch.

    > The content to be signed is therefore: `{msg_id}.{timestamp}.{payload}`. (Signature scheme)
    """
    signature = hmac.new(key, f"{message_id}.{timestamp}.".encode() + payload, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
