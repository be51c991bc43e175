"""Moments in what a caller sends: with their zone, or they mean something else on every machine."""

from datetime import datetime

from authz.api.framework.problems import invalid
from authz.protocol.timestamps import moment


def moment_of(name: str, text: str) -> datetime:
    found = moment(text)
    if found is None:
        raise invalid(name, "is a moment with its zone, such as 2026-12-31T18:00:00Z")
    return found
