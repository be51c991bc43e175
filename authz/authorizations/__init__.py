"""Authorizations: how a token refers to one, and how one is ended, with all that rests on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from authz import audit, registry
from authz.authorizations import chains, status_lists
from authz.authorizations.status_lists import Entry
from authz.models import Authorization, Client, ProtectedResource

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
    """End authorizations: their refresh tokens are refused and their access tokens inactive from the commit on. What
    was passed on from them ends with them.

    Call it inside `unit_of_work()`. Returns how many were live; each is recorded, and told (`registry.EndListener`).
    """
    ended = _all_ended(authorizations, reason, now)
    # An exchange that was faster has committed now that its parent is held (chains.hold), and what it made is seen.
    level = ended
    while level:
        level = _ended_in_order(chains.below([row.pk for row in level]), reason, now)
        ended += level
    return len(ended)


def rest(clients: Sequence[Client], *, now: datetime) -> None:
    """Agents have just been suspended: what they have been granted rests, which is told (`registry.EndListener`).
    Inside `unit_of_work()`.
    """
    for listener in registry.end_listeners():
        listener.suspended(clients, now=now)


def _all_ended(authorizations: QuerySet[Authorization], reason: str, now: datetime) -> list[Authorization]:
    under = chains.under(authorizations)
    if not under:
        return _ended(authorizations, reason, now)
    # All in one order, so that two who end parts of one chain don't wait for each other.
    named = authorizations.filter(revoked=None).order_by().values_list("pk", flat=True)
    return _ended_in_order([*named, *under], reason, now)


def _ended_in_order(pks: Sequence[UUID], reason: str, now: datetime) -> list[Authorization]:
    return [row for batch in _batches(sorted(set(pks))) for row in _ended(batch, reason, now)]


def _batches(pks: Sequence[UUID]) -> Iterator[QuerySet[Authorization]]:
    for start in range(0, len(pks), BATCH):
        yield Authorization.objects.filter(pk__in=pks[start : start + BATCH])


def _ended(authorizations: QuerySet[Authorization], reason: str, now: datetime) -> list[Authorization]:
    # Locked, so that of two who end the same one only one records it (invariant 3); in order, so that neither waits
    # for the other.
    live = list(
        authorizations.filter(revoked=None)
        .select_for_update(of=("self",))
        .select_related("client", "user", "resource")
        .order_by("pk")
    )
    for batch in _batches([authorization.pk for authorization in live]):
        batch.update(revoked=now, revoked_reason=reason)
    for authorization in live:
        audit.record(
            audit.Event.TOKEN_REVOKED,
            client_id=authorization.client.client_id,
            subject=str(authorization.user.subject) if authorization.user else "",
            resource=authorization.resource.identifier if authorization.resource else "",
            authorization=authorization.pk,
            detail={"because": reason, **({"parent": str(row)} if (row := authorization.parent_id) else {})},
        )
    if live:
        for listener in registry.end_listeners():
            listener.ended(live, reason=reason, now=now)
    return live
