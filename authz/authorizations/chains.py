"""Chains of authorizations: each hop of a delegation stands under the authorization whose token was exchanged.

A hop is live only while all above it are. Ending one ends those below it (authz/authorizations/__init__.py).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from authz.authorizations import live
from authz.database import raw_sql
from authz.models import Authorization

# Hops that a chain can ever have; the setting `GATEHOUSE_DELEGATION_HOPS` allows fewer.
LONGEST: Final = 8
# In the lineage of a hop: the token that was exchanged was bound to a key (RFC 9449).
BOUND: Final = "bound"
# How long the authorization of a hop serves further exchanges: longer than any token lives after its own, shorter than
# what is over is kept (authz/operations/housekeeping.py).
SERVES: Final = timedelta(days=1)
_BATCH = 500
# In PostgreSQL exchanges hold the row together and keep out who ends it; SQLite has one writer at a time.
_HOLD = "SELECT id FROM authz_authorization WHERE id = %s AND revoked IS NULL"


def hold(pk: UUID) -> bool:
    """Whether an authorization is live, until the transaction ends: who ends it waits, and then sees what was made
    under it. Inside `unit_of_work()`.
    """
    lock = "" if settings.IS_SQLITE else " FOR SHARE"
    return raw_sql.one(_HOLD + lock, (raw_sql.uuid(pk),)) is not None


def above(authorization: Authorization) -> list[Authorization] | None:
    """The authorizations that a hop rests on, its own parent first and the root last; each with its `user`. None where
    one is missing. Of a root: none.
    """
    found: list[Authorization] = []
    parent = authorization.parent_id
    while parent is not None:
        row = live.find(parent) if len(found) < LONGEST else None
        if row is None:
            return None
        found.append(row)
        parent = row.parent_id
    return found


def below(pks: Sequence[UUID]) -> list[UUID]:
    """The hops that were made directly under these, ended or not."""
    found: list[UUID] = []
    for start in range(0, len(pks), _BATCH):
        found += Authorization.objects.filter(parent__in=pks[start : start + _BATCH]).values_list("pk", flat=True)
    return found


def resting_on(dead: Q, hops: Sequence[UUID]) -> list[UUID]:
    """Of these hops, those that rest on an authorization that is dead or missing."""
    parents: dict[UUID, UUID | None] = {}
    looked, level = set[UUID](), list(hops)
    while level:
        looked.update(level)
        for rows in _batches(level):
            parents.update(rows.values_list("pk", "parent"))
        level = [pk for pk in set(parents.values()) if pk is not None and pk not in looked]
    gone = {pk for rows in _batches(list(parents)) for pk in rows.filter(dead).values_list("pk", flat=True)}
    return [pk for pk in hops if not _stands(pk, parents, gone)]


def _stands(pk: UUID, parents: Mapping[UUID, UUID | None], gone: Collection[UUID]) -> bool:
    above = parents.get(pk)
    while above is not None:
        if above in gone or above not in parents:
            return False
        above = parents[above]
    return True


def _batches(pks: Sequence[UUID]) -> Iterator[QuerySet[Authorization]]:
    for start in range(0, len(pks), _BATCH):
        yield Authorization.objects.filter(pk__in=pks[start : start + _BATCH])


def under(authorizations: QuerySet[Authorization]) -> list[UUID]:
    """All hops that rest on these authorizations, at any depth."""
    level = list(
        Authorization.objects.filter(parent__in=authorizations.order_by().values("pk")).values_list("pk", flat=True)
    )
    found: dict[UUID, None] = {}
    while level:
        found.update(dict.fromkeys(level))
        level = [pk for pk in below(level) if pk not in found]
    return list(found)
