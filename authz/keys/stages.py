"""Which stage of its life a signing key is in."""

from datetime import datetime
from typing import Any

from authz.models import SigningKey

STAGES = ("published", "signing", "retired", "gone")


def stage(key: SigningKey, now: datetime) -> str:
    """One of `STAGES`: in the JWKS and not signing yet, signing, in the JWKS for its last tokens, out of the JWKS."""
    if key.expires is not None and key.expires <= now:
        return "gone"
    if key.retired is not None and key.retired <= now:
        return "retired"
    return "published" if key.signs_from > now else "signing"


def key_as_item(key: SigningKey, now: datetime) -> dict[str, Any]:
    """A key as the API and the commands show it; never its private half."""
    return {
        "kid": key.kid,
        "alg": key.alg,
        "stage": stage(key, now),
        "published": key.published.isoformat(),
        "signs_from": key.signs_from.isoformat(),
        "retired": key.retired.isoformat() if key.retired else None,
        "expires": key.expires.isoformat() if key.expires else None,
        "public_jwk": key.public_jwk,
    }
