"""Status lists: the entry of each authorization, and what a list says (draft-ietf-oauth-status-list).

An authorization gets one entry, once, and all its tokens carry it, so a token costs nothing more to issue. Entries are
taken from blocks that each process reserves; what a process leaves unused are decoys, as the draft recommends.

A list says INVALID of whatever introspection would call inactive by what one can see in rows: the authorization, agent,
person, resource, issuer, host. What the organisation's rules no longer allow is looked for in turn
(authz/decisions/status_review.py), and its entries end for good (docs/decisions/0022-status-lists.md).
"""

import gzip
import os
import secrets
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from authz import keys, registry
from authz.authorizations import chains
from authz.conf import conf
from authz.database.transactions import in_unit_of_work
from authz.models import Authorization, Client, EndedEntry, ProtectedResource, StatusList
from authz.protocol import status_list

Kind = StatusList.Kind

HALF_BITS = 8
SIZE = 1 << 2 * HALF_BITS  # entries: 8 KiB before it is compressed
BLOCK = 64
# A process lets go of a block after so long; a list is forgotten only when no block of it can be in use.
BLOCK_HELD = timedelta(hours=12)
# > ttl: the maximum amount of time, in seconds, that the Status List Token can be cached by a consumer (§5.1)
TTL = 60
# How long a list may be relied on at all: a reader that got it at the last moment from a cache keeps it for `TTL`.
LIFETIME = 3 * TTL
# A process reads the rows again after so many seconds, when a request asks for the list.
LOOK_INTERVAL = 1.0
# What every resource server can verify (RFC 9068 §2.1).
ALG = "RS256"
# How long after a list is full a token in it may be alive.
OUTLIVED = {
    Kind.BRIEF: keys.LONGEST_TOKEN + BLOCK_HELD,
    Kind.LONG: timedelta(days=180) + keys.LONGEST_TOKEN + BLOCK_HELD,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An authorization's place: list and index."""

    number: int
    index: int

    def claim(self) -> dict[str, Any]:
        """The `status` claim of its tokens (§6.2)."""
        return {"status_list": {"idx": self.index, "uri": uri(self.number)}}


def uri(number: int) -> str:
    return f"{aggregation_uri()}/{number}"


def aggregation_uri() -> str:
    return conf.endpoint("status-lists")


# --- Allotting ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Block:
    entries: deque[Entry]
    until: float


_blocks: dict[str, _Block] = {}


def entry_of(authorization: Authorization, resource: ProtectedResource | None) -> Entry | None:
    """The entry that tokens for a resource carry; None where the resource wants none.

    An authorization that is not stored yet is given one to be stored with. One that is older than the resource's wish
    gets its own now.
    """
    if resource is None or not resource.status_list:
        return None
    if authorization.status_list is None or authorization.status_index is None:
        entry = allot(_kind_of(authorization))
        if not authorization._state.adding:
            rows = Authorization.objects.filter(pk=authorization.pk)
            # Of two at once one is first, and both say what it said (invariant 3).
            if not rows.filter(status_list=None).update(status_list=entry.number, status_index=entry.index):
                authorization.refresh_from_db(fields=["status_list", "status_index"])
                return entry_of(authorization, resource)
        authorization.status_list, authorization.status_index = entry.number, entry.index
    return Entry(authorization.status_list, authorization.status_index)


def _kind_of(authorization: Authorization) -> Kind:
    if authorization.user_id is None:
        return Kind.MACHINE
    return Kind.BRIEF if authorization.expires is None else Kind.LONG


def allot(kind: Kind) -> Entry:
    """An entry that no other authorization gets. Not inside `unit_of_work()`: a rollback would allot it twice. Raises
    `RuntimeError`.
    """
    if in_unit_of_work():
        raise RuntimeError("a status list's entries are allotted before the transaction")
    while True:
        block = _blocks.get(kind)
        if block is not None and time.monotonic() < block.until:
            try:
                return block.entries.popleft()
            except IndexError:
                pass
        _blocks[kind] = _reserve(kind)


def _reserve(kind: Kind) -> _Block:
    until = time.monotonic() + BLOCK_HELD.total_seconds()
    while True:
        now = datetime.now(UTC)
        row = StatusList.objects.filter(kind=kind, closed=None).order_by("pk").first()
        if row is None:
            row = StatusList.objects.create(kind=kind, seed=secrets.token_hex(16), created=now)
        after = row.allotted + BLOCK
        # One conditional statement: no two processes get the same block (invariant 3).
        if StatusList.objects.filter(pk=row.pk, allotted=row.allotted).update(
            allotted=after, closed=now if after >= SIZE else None
        ):
            seed = bytes.fromhex(row.seed)
            scattered = (
                status_list.scattered(position, seed=seed, half_bits=HALF_BITS)
                for position in range(row.allotted, after)
            )
            return _Block(deque(Entry(row.pk, index) for index in scattered), until)


def forget() -> None:
    """Forget what this process holds: in a child that was forked (its parent uses the same blocks), and in tests."""
    _blocks.clear()
    _published.clear()


os.register_at_fork(after_in_child=forget)


# --- Telling --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Published:
    """A signed list, as bytes and gzipped, with its entity tag and how many seconds caches may keep it."""

    token: bytes
    gzipped: bytes
    etag: str
    fresh_for: int


@dataclass(slots=True)
class _Remembered:
    looked: float
    issued: int
    array: bytes
    token: bytes
    gzipped: bytes
    etag: str


_published: dict[int, _Remembered] = {}


def published(number: int, now: float) -> Published | None:
    """The list as it is now, within `LOOK_INTERVAL`; None if there is none of this number.

    Signed anew each `TTL` seconds and whenever it changes. In between each process on each machine gives the same
    bytes, so caches can ask whether they changed.
    """
    issued = int(now) - int(now) % TTL
    known = _published.get(number)
    if known is None or known.issued != issued or not known.looked <= now < known.looked + LOOK_INTERVAL:
        if not StatusList.objects.filter(pk=number).exists():
            _published.pop(number, None)
            return None
        array = status_list.pack(dict.fromkeys(ended(number, now), status_list.INVALID), size=SIZE)
        if known is None or known.issued != issued or known.array != array:
            known = _signed(number, issued, array, now)
        known.looked = now
        _published[number] = known
    return Published(known.token, known.gzipped, known.etag, max(issued + TTL - int(now), 1))


def ended(number: int, now: float) -> list[int]:
    """The indices of a list's authorizations that are not live any more, or rest on one that is not, or whose entries
    have ended before them."""
    here = Authorization.objects.filter(status_list=number, status_index__isnull=False)
    dead = not_live(now)
    rows = here.filter(dead).values_list("status_index", flat=True)
    hops = dict(here.filter(parent__isnull=False).values_list("pk", "status_index"))
    resting = [hops[pk] for pk in chains.resting_on(dead, list(hops))]
    over = EndedEntry.objects.filter(status_list=number).values_list("index", flat=True)
    return [index for index in (*rows, *resting, *over) if index is not None]


def not_live(now: float) -> Q:
    """The condition of authorizations that are not live, by what one can see in rows."""
    found = (
        Q(revoked__isnull=False)
        | ~Q(client__status=Client.Status.APPROVED)
        | Q(client__approved_until__lte=datetime.fromtimestamp(now, UTC))
        | ~Q(client_digest=F("client__consent_digest"))
        | Q(user__is_active=False)
        | Q(resource__is_active=False)
    )
    for check in registry.liveness_checks():
        found |= check.not_live()
    return found


def retire(authorization: Authorization, scopes: Sequence[str], now: datetime) -> bool:
    """End an authorization's entry, for good; its next token gets another. False if it has another already. Inside
    `unit_of_work()`.

    scopes  what is still allowed: what tokens with the next entry may be for.
    """
    number, index = authorization.status_list, authorization.status_index
    same = Authorization.objects.filter(pk=authorization.pk, status_list=number, status_index=index)
    # Locked, so of two nodes one does (invariant 3).
    if number is None or index is None or not same.select_for_update().exists():
        return False
    # First the end, then the row: a trigger lets no entry go that is not told of.
    EndedEntry.objects.create(
        status_list_id=number, index=index, authorization=authorization, scopes=list(scopes), ended=now
    )
    return bool(same.update(status_list=None, status_index=None))


def _signed(number: int, issued: int, array: bytes, now: float) -> _Remembered:
    claims = {
        "iss": conf.issuer,
        # > MUST be equal to that of the uri claim contained in the status_list claim of the Referenced Token (§5.1)
        "sub": uri(number),
        "iat": issued,
        "exp": issued + LIFETIME,
        "ttl": TTL,
        "status_list": status_list.encode(array) | {"aggregation_uri": aggregation_uri()},
    }
    token = keys.sign(claims, typ=status_list.TYP, alg=ALG, now=now).encode()
    # Without the time, so that the same list is the same bytes everywhere.
    return _Remembered(now, issued, array, token, gzip.compress(token, mtime=0), sha256(token).hexdigest()[:32])


def numbers() -> list[int]:
    return list(StatusList.objects.order_by("pk").values_list("pk", flat=True))


def over(now: datetime) -> QuerySet[StatusList]:
    """The lists that no living token names (authz/operations/housekeeping.py).

    > Once all Referenced Tokens are expired, the Issuer may stop serving the Status List Token. (§13.1)
    """
    living = Authorization.objects.filter(status_list=OuterRef("pk")).filter(
        Q(revoked=None) | Q(revoked__gt=now - keys.LONGEST_TOKEN)
    )
    outlived = Q(pk__in=())
    for kind, longest in OUTLIVED.items():
        outlived |= Q(kind=kind, closed__lt=now - longest)
    told = EndedEntry.objects.filter(status_list=OuterRef("pk"), ended__gt=now - keys.LONGEST_TOKEN)
    unused = Q(closed__lt=now - keys.LONGEST_TOKEN - BLOCK_HELD) & ~Exists(living) & ~Exists(told)
    return StatusList.objects.filter(outlived | unused)
