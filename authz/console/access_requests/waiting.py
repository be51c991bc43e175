"""Which access requests wait for a decision of the person who is signed in."""

from datetime import datetime

from django.http import HttpRequest

from authz.approvals import access_requests, approvers
from authz.console.model_admin import person
from authz.console.widgets.tasks import MAX_TASKS
from authz.models import AccessRequest


def waiting_for_me(request: HttpRequest, now: datetime) -> list[AccessRequest]:
    """Requests that this person may decide, the oldest first, at most `MAX_TASKS`."""
    found: list[AccessRequest] | None = getattr(request, "waiting_for_me", None)
    if found is None:
        found = approvers.waiting_for(person(request), access_requests.queue(now), MAX_TASKS)
        # The navigation of a page asks for the same as the page.
        request.waiting_for_me = found  # type: ignore[attr-defined]
    return found
