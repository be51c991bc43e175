"""Refusals of the console: what a page does not offer is answered with 400, and is in the audit."""

import re
from collections.abc import Collection
from typing import NoReturn

from django.core.exceptions import SuspiciousOperation
from django.db import Error as DatabaseFailure
from django.http import HttpRequest

from authz.audit.console_events import ConsoleEvent
from authz.limits.refusal_sampling import record_unauthenticated
from authz.protocol.errors import OAuthError, RefusalReason

# What any row's number has at most, and every database can hold.
_NUMBER = re.compile(r"[0-9]{1,18}")


class ConsoleReason(RefusalReason):
    QUERY_NOT_OFFERED = "console_query_not_offered", "invalid_request", "The page does not offer this."


class NotOffered(SuspiciousOperation):
    """Django answers it with 400."""


def read_number(request: HttpRequest, name: str) -> int | None:
    """A parameter that is the number of a row; None where it is not there. 400 for anything else."""
    text = request.GET.get(name, "")
    if text and not _NUMBER.fullmatch(text):
        refuse(request, name)
    return int(text) if text else None


def one_of(request: HttpRequest, name: str, choices: Collection[str]) -> str:
    """A parameter that is one of these words; `""` where it is not there. 400 for anything else."""
    text = request.GET.get(name, "")
    if text and text not in choices:
        refuse(request, name)
    return text


def refuse(request: HttpRequest, what: str) -> NoReturn:
    """Record a request for what a page does not offer, and raise `NotOffered`.

    `what` names the parameter, never its value: that may be a guess at a secret.
    """
    error = OAuthError(ConsoleReason.QUERY_NOT_OFFERED, detail=f"{request.method} {request.path[:200]}: {what[:100]}")
    recorded = record_unauthenticated(ConsoleEvent.REFUSED, error, subject=str(getattr(request.user, "subject", "")))
    if recorded.reason is not ConsoleReason.QUERY_NOT_OFFERED:
        raise DatabaseFailure("the refusal could not be recorded")
    raise NotOffered(what)
