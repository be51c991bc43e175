"""Moments in what a caller sends: with their zone, or they mean something else on every machine."""

from datetime import datetime

from authz.api.problems import invalid


def moment_of(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise invalid(name, "is a moment with its zone, such as 2026-12-31T18:00:00Z")
    return moment
