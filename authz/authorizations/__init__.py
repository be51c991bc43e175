"""Standing authorizations: machine ones, live state, and ending them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import QuerySet

from authz import audit
from authz.authorizations import status_lists
from authz.authorizations.status_lists import Entry
from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from authz.models import Authorization, Client, ProtectedResource
from authz.protocol.errors import OAuthError, Reason

# How many rows one statement changes.
BATCH = 500


@dataclass(frozen=True, slots=True)
class MachineAuthorization:
    """What every token under a machine's authorization says: its id, and its place in a status list if it has one."""

    id: UUID
    status: Entry | None


def for_machine(
    client: Client, resource: ProtectedResource, grant_type: str, scopes: Sequence[str]
) -> MachineAuthorization:
    """The one live authorization of a client at a resource without a person: found, or made the first time.

    Its scopes are the union of what was issued under it; each token carries its own. Ending one moves the generation
    (authz/models/triggers.py), so it may be remembered until then.
    """
    key = ("machine authorization", client.pk, resource.pk, grant_type, tuple(scopes))
    return configuration_cache.cached(key, lambda: _found(client, resource, grant_type, scopes))


class NotMadeError(Exception):
    """There is no authorization of the machine that fits; making it, or changing one, writes."""


def made_for_machine(
    client: Client, resource: ProtectedResource, grant_type: str, scopes: Sequence[str]
) -> MachineAuthorization:
    """The same, if nothing has to be written for it. Raises `NotMadeError`."""
    key = ("machine authorization", client.pk, resource.pk, grant_type, tuple(scopes))
    return configuration_cache.cached(key, lambda: _made(client, resource, grant_type, scopes))


def _made(client: Client, resource: ProtectedResource, grant_type: str, scopes: Sequence[str]) -> MachineAuthorization:
    row = _live(client, resource, grant_type).first()
    if row is None or row.client_digest != client.consent_digest or not set(scopes) <= set(row.scopes):
        raise NotMadeError
    return MachineAuthorization(row.pk, status_lists.entry_of(row, resource))


def make_for_machine(
    client: Client, resource: ProtectedResource, grant_type: str, scopes: Sequence[str], status: Entry | None
) -> MachineAuthorization:
    """The same, found or made inside the caller's `unit_of_work()`: after the claim of an assertion that it rests on.

    `status` is a place in a status list for a row that is made, allotted before.
    """
    row = _find_or_make(client, resource, grant_type, scopes, status)
    if row.status_list is None or row.status_index is None or not resource.status_list:
        return MachineAuthorization(row.pk, None)
    return MachineAuthorization(row.pk, Entry(row.status_list, row.status_index))


def _live(client: Client, resource: ProtectedResource, grant_type: str) -> QuerySet[Authorization]:
    return Authorization.objects.filter(
        client=client, resource=resource, grant_type=grant_type, user=None, revoked=None
    )


def _found(client: Client, resource: ProtectedResource, grant_type: str, scopes: Sequence[str]) -> MachineAuthorization:
    with unit_of_work():
        row = _find_or_make(client, resource, grant_type, scopes)
    return MachineAuthorization(row.pk, status_lists.entry_of(row, resource))


def _find_or_make(
    client: Client, resource: ProtectedResource, grant_type: str, scopes: Sequence[str], status: Entry | None = None
) -> Authorization:
    standing = _live(client, resource, grant_type).select_for_update()
    row = standing.first()
    if row is not None and row.client_digest != client.consent_digest:
        # The client is no longer the one it was granted to (cimd/changes.py): what stood under it ends.
        end(standing, reason="client changed", now=datetime.now(UTC))
        row = None
    if row is None:
        return _make(client, resource, grant_type, scopes, status)
    together = list(dict.fromkeys([*row.scopes, *scopes]))
    if together != row.scopes:
        standing.update(scopes=together)
    return row


def _make(
    client: Client, resource: ProtectedResource, grant_type: str, scopes: Sequence[str], status: Entry | None
) -> Authorization:
    made = Authorization(
        client=client,
        resource=resource,
        grant_type=grant_type,
        scopes=list(scopes),
        created=datetime.now(UTC),
        client_digest=client.consent_digest,
        lineage={"document": client.metadata_digest} if client.metadata_digest else {},
        status_list=status.number if status else None,
        status_index=status.index if status else None,
    )
    # Another request may be first (a unique index decides): then its row is the one.
    Authorization.objects.bulk_create([made], ignore_conflicts=True)
    standing = _live(client, resource, grant_type).first()
    if standing is None:  # … and was ended in the same moment
        raise OAuthError(Reason.UNAVAILABLE)
    return standing


def end(authorizations: QuerySet[Authorization], *, reason: str, now: datetime) -> int:
    """End authorizations: their refresh tokens are refused and their access tokens inactive from the commit on.

    Call it inside `unit_of_work()`. Returns how many were live; each is recorded.
    """
    # Locked, so that two who end the same one record it once (law 3); in order, so that neither waits for the other.
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
    return len(live)
