"""The bearer tokens of collectors, encrypted at rest (invariant 9)."""

from authz.keys import secrets_at_rest
from authz.models import AuditDestination

_PURPOSE = "audit destinations at rest"


def set_token(destination: AuditDestination, token: str) -> None:
    """Keep the token of a destination; an empty one is none. Saves nothing."""
    destination.encrypted_token = (
        secrets_at_rest.encrypt(token.encode(), purpose=_PURPOSE, about=destination.name) if token else b""
    )


def token_of(destination: AuditDestination) -> str:
    """The token, empty if there is none. Raises `secrets_at_rest.WrongKeyError`."""
    ciphertext = bytes(destination.encrypted_token)
    return secrets_at_rest.decrypt(ciphertext, purpose=_PURPOSE, about=destination.name).decode() if ciphertext else ""


def _moved(destination: AuditDestination) -> bytes | None:
    ciphertext = bytes(destination.encrypted_token)
    return secrets_at_rest.moved(ciphertext, purpose=_PURPOSE, about=destination.name) if ciphertext else None


AT_REST = secrets_at_rest.AtRest(AuditDestination, "encrypted_token", _moved)
