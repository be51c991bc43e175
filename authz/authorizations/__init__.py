"""Authorizations: how a token refers to one, and how one is ended."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from authz import audit, registry
from authz.authorizations import status_lists
from authz.authorizations.status_lists import Entry
from authz.models import Authorization, ProtectedResource

# How many rows one statement changes.
BATCH = 500


@dataclass(frozen=True, slots=True)
class AuthorizationReference:
    """What a token says of its authorization: its id, and its place in a status list if it has one."""

    id: UUID
    status: Entry | None


def reference(authorization: Authorization, resource: ProtectedResource | None) -> AuthorizationReference:
    """The reference that tokens for a resource carry. Not inside `unit_of_work()`: it may allot a place."""
    return AuthorizationReference(authorization.pk, status_lists.entry_of(authorization, resource))


def end(authorizations: QuerySet[Authorization], *, reason: str, now: datetime) -> int:
    """End authorizations: their refresh tokens are refused and their access tokens inactive from the commit on.

    Call it inside `unit_of_work()`. Returns how many were live; each is recorded, and told (`registry.EndListener`).
    """
    # Locked, so that of two who end the same one only one records it (invariant 3); in order, so that neither waits
    # for the other.
    live = list(
        authorizations.filter(revoked=None)
        .select_for_update(of=("self",))
        .select_related("client", "user", "resource")
        .order_by("pk")
    )
    for start in range(0, len(live), BATCH):
        batch = [authorization.pk for authorization in live[start : start + BATCH]]
        Authorization.objects.filter(pk__in=batch).update(revoked=now, revoked_reason=reason)
    for authorization in live:
        audit.record(
            audit.Event.TOKEN_REVOKED,
            client_id=authorization.client.client_id,
            subject=str(authorization.user.subject) if authorization.user else "",
            resource=authorization.resource.identifier if authorization.resource else "",
            authorization=authorization.pk,
            detail={"because": reason},
        )
    if live:
        for listener in registry.end_listeners():
            listener.ended(live, reason=reason, now=now)
    return len(live)
