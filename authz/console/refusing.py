"""Refusals of the console: what a page does not offer is answered with 400, and is in the audit."""

from typing import NoReturn

from django.core.exceptions import SuspiciousOperation
from django.db import Error as DatabaseFailure
from django.http import HttpRequest

from authz.console.events import Event
from authz.protocol.errors import OAuthError, RefusalReason
from authz.refusals import record_unauthenticated


class Reason(RefusalReason):
    QUERY_NOT_OFFERED = "console_query_not_offered", "invalid_request", "The page does not offer this."


class NotOffered(SuspiciousOperation):
    """Django answers it with 400."""


def refuse(request: HttpRequest, what: str) -> NoReturn:
    """Record that somebody asked a page for what it does not offer, and raise `NotOffered`.

    `what` names the parameter, never its value: that may be a guess at a secret.
    """
    error = OAuthError(Reason.QUERY_NOT_OFFERED, detail=f"{request.method} {request.path[:200]}: {what[:100]}")
    recorded = record_unauthenticated(Event.REFUSED, error, subject=str(getattr(request.user, "subject", "")))
    if recorded.reason is not Reason.QUERY_NOT_OFFERED:
        raise DatabaseFailure("the refusal could not be recorded")
    raise NotOffered(what)
