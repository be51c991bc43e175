"""Optimistic concurrency (RFC 9110 §13): a change names the version of the item that its author has read."""

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request

from authz.api.framework.problems import Problem
from authz.configuration.digests import digest


def etag(item: Mapping[str, Any]) -> str:
    """A strong entity tag of an item with its secrets. It is keyed, so it reveals nothing about them."""
    return f'"{digest(item, purpose="entity tags")[:32]}"'


def check(request: Request, item: Mapping[str, Any] | None) -> None:
    """Raise `Problem` if the item is not the one that the change's author has read."""
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
        raise Problem(428, "Read the item first, and send its ETag in If-Match.")
    if seen.strip() != "*" and etag(item) not in [tag.strip() for tag in seen.split(",")]:
        raise Problem(412, "It has been changed meanwhile; read it again.")
