"""Records the refusals of the management API in the audit, at a bounded rate."""

from collections.abc import Mapping

from rest_framework.request import Request

from authz.api.framework.events import ApiEvent
from authz.api.framework.problems import Problem
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.protocol.errors import OAuthError, RefusalReason


def refuse(
    request: Request,
    reason: RefusalReason,
    status: int,
    *,
    client_id: str = "",
    subject: str = "",
    detail: str = "",
    headers: Mapping[str, str] | None = None,
) -> Problem:
    """Record a refusal, and return the problem to answer with: a 503 if it cannot be recorded."""
    problem = Problem(status, reason.sentence, headers=headers, members={"error": reason.code})
    return recorded(request, problem, reason, client_id=client_id, subject=subject, detail=detail)


def recorded(
    request: Request,
    problem: Problem,
    reason: RefusalReason,
    *,
    client_id: str = "",
    subject: str = "",
    detail: str = "",
) -> Problem:
    """The problem to answer with after its record is written: a 503 if it cannot be written."""
    what = f"{request.method} {request.path[:200]}"
    error = OAuthError(reason, detail=f"{what}: {detail}" if detail else what)
    try:
        record_unauthenticated(ApiEvent.REFUSED, error, client_id=client_id, subject=subject)
    except UnrecordedError as unrecorded:
        return Problem(503, unrecorded.sentence, headers={"Retry-After": str(unrecorded.retry_after)})
    problem.is_recorded = True
    return problem
