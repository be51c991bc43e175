"""Refusals of the management API are recorded, at a bounded rate: who tries what they may not is worth knowing."""

from collections.abc import Mapping

from rest_framework.request import Request

from authz.api.framework.events import Event
from authz.api.framework.problems import Problem
from authz.api.framework.reasons import Reason
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.protocol.errors import OAuthError


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
    problem = Problem(status, reason.sentence, headers=headers, members={"error": reason.code})
    return recorded(request, problem, reason, client_id=client_id, subject=subject, detail=detail)


def recorded(
    request: Request, problem: Problem, reason: Reason, *, client_id: str = "", subject: str = "", detail: str = ""
) -> Problem:
    """The problem to answer with, once its record is written: another one where it cannot be."""
    what = f"{request.method} {request.path[:200]}"
    error = OAuthError(reason, detail=f"{what}: {detail}" if detail else what)
    try:
        record_unauthenticated(Event.REFUSED, error, client_id=client_id, subject=subject)
    except UnrecordedError as unrecorded:
        return Problem(503, unrecorded.sentence, headers={"Retry-After": str(unrecorded.retry_after)})
    problem.is_recorded = True
    return problem
