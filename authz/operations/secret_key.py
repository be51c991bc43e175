"""Whether GATEHOUSE_SECRET_KEY opens the keys of this database, before anything serves or signs under it."""

from django.conf import settings

from authz import keys
from authz.database import configuration_cache
from authz.evidence import checkpoint_keys
from authz.keys.secrets_at_rest import WrongKeyError


def refusal() -> str:
    """Why no server starts under this secret key, and what to do; "" if it opens the keys, or there are none yet."""
    try:
        with configuration_cache.bypassed():
            keys.cached()
            checkpoint_keys.current()
    except checkpoint_keys.NoKeyError:
        pass
    except WrongKeyError:
        return (
            f"{settings.SECRET_KEY_SOURCE} is not the key that the signing keys in this database were made under:"
            " set GATEHOUSE_SECRET_KEY to that key, or name it in GATEHOUSE_SECRET_KEY_FALLBACKS."
        )
    return ""
