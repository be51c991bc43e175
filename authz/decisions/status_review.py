"""Token status lists say what rules no longer allow: each entry is looked at in turn (a scheduled task).

Introspection decides anew about each token. A list is computed from rows, so the decision has to become a row: where
rules no longer allow a scope that tokens with an entry were issued for, the entry ends for good, and the next token of
the authorization gets another (authz/authorizations/status_lists.py). A change of rules, agents or MCP servers begins a
new round at once; what changes without one (a group, the time, an approval's end) is seen by the round of each minute.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from authz import audit, keys
from authz.audit import Described
from authz.authorizations import chains, status_lists
from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from authz.decisions import chain
from authz.decisions.evaluation import allowed_scopes
from authz.decisions.question import ARRIVED, access_question
from authz.models import Authorization, EndedEntry, Generation, User
from authz.models.triggers import move_generation
from authz.sign_in.sign_in import sign_in_of

EVERY = 2.0
NEEDS_TRUE_CLOCK = True
# Seconds between rounds while nothing of the configuration changes.
ROUND_SECONDS = 60.0
BATCH = 200
# Seconds of one run, less than a lease; the round goes on in a moment.
BUDGET = 15.0


@dataclass(slots=True)
class _Round:
    """Where this process is: `after` the last key that was looked at; None: the round is over."""

    generation: int = 0
    began: float = float("-inf")
    after: UUID | None = None


_round = _Round()


def run() -> bool:
    """Whether the round goes on."""
    configuration_cache.begin()
    now, clock = datetime.now(UTC), time.monotonic()
    if _round.after is None:
        generation = Generation.objects.values_list("value", flat=True).get(pk=1)
        if generation == _round.generation and clock < _round.began + ROUND_SECONDS:
            return False
        _round.generation, _round.began, _round.after = generation, clock, UUID(int=0)
    while time.monotonic() < clock + BUDGET:
        rows = list(_with_entries(now).filter(pk__gt=_round.after).order_by("pk")[:BATCH])
        if not rows:
            _round.after = None
            return False
        _review(rows, now)
        _round.after = rows[-1].pk
    return True


def forget() -> None:
    """Begin anew, in tests."""
    _round.generation, _round.began, _round.after = 0, float("-inf"), None


def _with_entries(now: datetime) -> QuerySet[Authorization]:
    """Those whose tokens may be alive, and which no row ends: what comes back with its row keeps its entry."""
    lately = now - keys.LONGEST_TOKEN
    alive = Q(user=None) | Q(created__gt=lately) | Q(rotated__gt=lately)
    # A hop serves exchanges for a time, and the last token then lives its own.
    alive |= Q(parent__isnull=False, created__gt=lately - chains.SERVES)
    rows = Authorization.objects.filter(alive, status_list__isnull=False)
    rows = rows.exclude(status_lists.not_live(now.timestamp()))
    return rows.select_related("client__owner", "user", "resource")


def _review(rows: Sequence[Authorization], now: datetime) -> None:
    groups, before = _groups_of(rows), _scopes_before(rows)
    lost: list[tuple[Authorization, frozenset[str]]] = []
    for row in rows:
        entitled = before.get(row.pk, frozenset(row.scopes))
        allowed = _allowed(row, groups, now.timestamp())
        if not entitled <= allowed:
            lost.append((row, allowed))
        elif row.pk in before and allowed != entitled:
            # Allowed again: the tokens of the new entry may be for it.
            newest = EndedEntry.objects.filter(authorization=row).order_by("-id").values("pk")[:1]
            EndedEntry.objects.filter(pk__in=newest).update(scopes=sorted(allowed))
    if lost:
        _retire(lost, now)


def _retire(lost: Sequence[tuple[Authorization, frozenset[str]]], now: datetime) -> None:
    with unit_of_work():
        retired = [(row, left) for row, left in lost if status_lists.retire(row, sorted(left), now)]
        audit.record_all(audit.Event.TOKEN_DISALLOWED, [_told(row, left) for row, left in retired])
        # What processes remember of a machine's authorization has the former entry.
        if any(row.user_id is None for row, _ in retired):
            move_generation(using="default")


def _told(row: Authorization, left: frozenset[str]) -> Described:
    return Described(
        client_id=row.client.client_id,
        subject=str(row.user.subject) if row.user else "",
        resource=row.resource.identifier if row.resource else "",
        authorization=row.pk,
        detail={"scope": " ".join(row.scopes), "left": " ".join(sorted(left))},
    )


def _allowed(row: Authorization, groups: Mapping[int, tuple[str, ...]], now: float) -> frozenset[str]:
    sign_in = sign_in_of(row.user, row, groups.get(row.user.pk, ())) if row.user else None
    rests_on = chain.above(row, sign_in, judged_at=judged_at(row), now=now)
    if rests_on is None:
        return frozenset()
    question = access_question(
        client=row.client,
        sign_in=sign_in,
        grant_type=row.grant_type,
        resource=row.resource,
        scopes=row.scopes,
        through=chain.path(rests_on),
    )
    # Which of a machine's and of a hop's tokens are bound to a key isn't stored: they live for minutes.
    is_bound = row.user is None or row.parent_id is not None or bool(row.dpop_jkt)
    found = allowed_scopes(question, issued_at=judged_at(row), now=now, is_bound=is_bound)
    if rests_on and row.resource:
        found &= chain.passed_on(rests_on, row.resource)
    return found & frozenset(row.scopes)


def judged_at(row: Authorization) -> float:
    """When the age of the sign-in was last judged: at the last rotation, or when the authorization request arrived."""
    return row.rotated.timestamp() if row.rotated else float(row.lineage.get(ARRIVED, row.created.timestamp()))


def _groups_of(rows: Sequence[Authorization]) -> Mapping[int, tuple[str, ...]]:
    found: dict[int, list[str]] = defaultdict(list)
    pairs = User.groups.through.objects.filter(user__in={row.user_id for row in rows if row.user_id is not None})
    for user, name in pairs.order_by("group__name").values_list("user_id", "group__name"):
        found[user].append(name)
    return {user: tuple(names) for user, names in found.items()}


def _scopes_before(rows: Sequence[Authorization]) -> Mapping[UUID, frozenset[str]]:
    """Of those that lost an entry before: what tokens with the present one may be for."""
    ended = EndedEntry.objects.filter(authorization__in=[row.pk for row in rows]).order_by("id")
    return {key: frozenset(scopes) for key, scopes in ended.values_list("authorization_id", "scopes")}
