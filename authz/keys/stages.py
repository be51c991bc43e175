"""Which stage of its life a signing key is in."""

from datetime import datetime

from authz.models import SigningKey

STAGES = ("published", "signing", "retired", "gone")


def stage(key: SigningKey, now: datetime) -> str:
    """One of `STAGES`: in the JWKS and not signing yet, signing, in the JWKS for its last tokens, out of the JWKS."""
    if key.expires is not None and key.expires <= now:
        return "gone"
    if key.retired is not None and key.retired <= now:
        return "retired"
    return "published" if key.signs_from > now else "signing"
