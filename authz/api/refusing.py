"""Refusals of the management API are recorded, at a bounded rate: who tries what they may not is worth knowing."""

from collections.abc import Mapping

from rest_framework.request import Request

from authz.api.events import Event
from authz.api.problems import Problem
from authz.api.reasons import Reason
from authz.protocol.errors import OAuthError
from authz.refusals import record_unauthenticated


def refuse(
    request: Request,
    reason: Reason,
    status: int,
    *,
    client_id: str = "",
    subject: str = "",
    detail: str = "",
    headers: Mapping[str, str] | None = None,
) -> Problem:
    """Record a refusal, and give the problem to answer with: another one where it cannot be recorded."""
    what = f"{request.method} {request.path[:200]}"
    error = OAuthError(reason, detail=f"{what}: {detail}" if detail else what)
    recorded = record_unauthenticated(Event.REFUSED, error, client_id=client_id, subject=subject)
    if recorded.reason is not reason:
        return Problem(503, recorded.sentence, headers={"Retry-After": "5"})
    return Problem(status, reason.sentence, headers=headers, members={"error": reason.code})
