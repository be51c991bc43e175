"""Standing authorizations: machine ones, live state, and ending them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db import IntegrityError, connection
from django.db.models import QuerySet

from authz import audit
from authz.models import Authorization, Client, ProtectedResource
from authz.transactions import settled

_MACHINE = (
    "SELECT id, scopes FROM authz_authorization"
    " WHERE client_id = %s AND resource_id = %s AND grant_type = %s AND user_id IS NULL AND revoked IS NULL"
)


def for_machine(client: Client, resource: ProtectedResource, grant_type: str, scopes: Sequence[str]) -> UUID:
    """The one live authorization of a client at a resource without a person: found, or made the first time.

    Its scopes are the union of what was issued under it; each token carries its own.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MACHINE, (client.pk, resource.pk, grant_type))
        row = cursor.fetchone()
    if row is None:
        return _first(client, resource, grant_type, scopes)
    authorization = row[0] if isinstance(row[0], UUID) else UUID(row[0])
    covered = json.loads(row[1])
    return authorization if all(scope in covered for scope in scopes) else _widened(authorization, scopes)


def _first(client: Client, resource: ProtectedResource, grant_type: str, scopes: Sequence[str]) -> UUID:
    try:
        with settled():
            authorization = Authorization.objects.create(
                client=client,
                resource=resource,
                grant_type=grant_type,
                scopes=list(scopes),
                created=datetime.now(UTC),
                client_digest=client.consent_digest,
                lineage={"document": client.metadata_digest} if client.metadata_digest else {},
            )
    except IntegrityError:  # another request was first
        return Authorization.objects.get(
            client=client, resource=resource, grant_type=grant_type, user=None, revoked=None
        ).id
    return authorization.id


def _widened(pk: UUID, scopes: Sequence[str]) -> UUID:
    with settled():
        row = Authorization.objects.select_for_update().get(pk=pk)
        row.scopes = list(dict.fromkeys([*row.scopes, *scopes]))
        row.save(update_fields=["scopes"])
    return pk


def end(authorizations: QuerySet[Authorization], *, reason: str, now: datetime) -> int:
    """End authorizations: their refresh tokens are refused and their access tokens inactive from the commit on.

    Call it inside `settled()`. Returns how many were live; each is recorded.
    """
    live = list(authorizations.filter(revoked=None).select_related("client", "user", "resource").order_by("pk"))
    ended = 0
    for authorization in live:
        # One conditional statement is the answer, so two who end the same one record it once (law 3).
        changed = Authorization.objects.filter(pk=authorization.pk, revoked=None).update(
            revoked=now, revoked_reason=reason
        )
        if not changed:
            continue
        ended += 1
        audit.record(
            audit.Event.TOKEN_REVOKED,
            client_id=authorization.client.client_id,
            subject=str(authorization.user.subject) if authorization.user else "",
            resource=authorization.resource.identifier if authorization.resource else "",
            authorization=authorization.pk,
            detail={"because": reason},
        )
    return ended
