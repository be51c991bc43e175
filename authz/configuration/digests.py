"""Keyed digests of items with their secrets: equal for equal items, and telling nothing about them."""

import hashlib
import hmac
import json

from authz.keys.secrets_at_rest import key_for


def digest(value: object, *, purpose: str) -> str:
    """64 hexadecimal digits. What has no JSON counts by its `str()`."""
    text = json.dumps(value, sort_keys=True, default=str).encode()
    return hmac.new(key_for(purpose), text, hashlib.sha256).hexdigest()
