"""Optimistic concurrency (RFC 9110 §13): who changes an item says which one of it they saw."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request

from authz.api.framework.problems import Problem
from authz.keys.secrets_at_rest import key_for


def etag(item: Mapping[str, Any]) -> str:
    """A strong entity tag of an item with its secrets: by a key of ours, so that it says nothing about them."""
    text = json.dumps(item, sort_keys=True, default=str).encode()
    return f'"{hmac.new(key_for("entity tags"), text, hashlib.sha256).hexdigest()[:32]}"'


def check(request: Request, item: Mapping[str, Any] | None) -> None:
    """Refuse a change to an item that is not the one its author saw."""
    seen = request.META.get("HTTP_IF_MATCH", "")
    if request.META.get("HTTP_IF_NONE_MATCH", "") == "*" and item is not None:
        raise Problem(412, "It exists already.")
    if item is None:
        # > If the field value is "*", the condition is false if … no current representation exists (RFC 9110 §13.1.1)
        if seen:
            raise Problem(412, "It does not exist (any more).")
        return
    # > the origin server requires the request to be conditional (RFC 6585 §3): else two who edit at once overwrite
    # > each other unseen.
    if not seen:
        raise Problem(428, "Send If-Match with the ETag of what you saw; read it first.")
    if seen.strip() != "*" and etag(item) not in [tag.strip() for tag in seen.split(",")]:
        raise Problem(412, "Somebody else changed it in the meantime; read it again.")
