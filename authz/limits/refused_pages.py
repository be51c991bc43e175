"""A person's page that was refused is in the audit, as a machine's request is."""

from django.http import HttpRequest

from authz import audit
from authz.limits.refusal_sampling import record_unauthenticated
from authz.models import User
from authz.protocol.errors import OAuthError, Reason


def record_refused_page(request: HttpRequest, reason: Reason, detail: str) -> None:
    """Record that a person's page was refused. Raises `UnrecordedError`."""
    user = getattr(request, "user", None)
    subject = str(user.subject) if isinstance(user, User) else ""
    what = f"{request.method} {request.path[:200]}"
    error = OAuthError(reason, detail=f"{what}: {detail}" if detail else what)
    record_unauthenticated(audit.Event.PAGE_REFUSED, error, subject=subject)
