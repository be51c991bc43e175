"""Ends all access of an agent, a person, an authorization, a session, an MCP server, a rule, an issuer, a document, or
of all.

One transaction stops issuing and ends live authorizations. From its commit on no token is issued, no refresh succeeds,
and introspection reports every token under it as inactive, also one that a concurrent request still got.

An undo allows new requests. Ended authorizations stay ended
(docs/decisions/0023-what-an-undo-gives-back.md).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.apps import apps
from django.db.models import F, Q, QuerySet
from django.utils.module_loading import import_string

from authz import audit, authorizations, registry
from authz.authorizations import chains
from authz.database.transactions import long_statements, unit_of_work
from authz.models import Authorization, AuthorizationCode, BrowserSession, Consent, CutOff, CutOffMark
from authz.protocol.display_names import visible_lines
from authz.protocol.errors import RefusalReason

REASON = "cut_off"
# How many names a preview gives.
FIRST = 10
GONE_FOR_GOOD = "Ended authorizations never come back: agents have to ask again, and people have to consent again."

State = dict[str, Any]


class NothingToCut(Exception):
    """There is no such agent, person, …; in words for who tried."""


class UndoReason(RefusalReason):
    """Why an undo gives nothing back."""

    NOTHING = "undo_nothing", "access_denied", f"There is nothing to give back. {GONE_FOR_GOOD}"
    DONE = "undo_done", "access_denied", "It is undone already."
    VOID = (
        "undo_void",
        "access_denied",
        "It was changed, or its access was ended again, since then. Decide about it anew.",
    )


class NothingToUndo(Exception):
    """There is nothing that an undo could give back; in words for who tried."""

    def __init__(self, reason: UndoReason, words: str = "") -> None:
        super().__init__(words or reason.sentence)
        self.reason = reason


def _no_state() -> State:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be cut off.

    stops            what follows, in words.
    state            what it is now, for JSON: what the audit shows before and after, and what an undo goes back to.
    stop             what keeps it from getting more, inside the transaction.
    reinstate        gives the rows whose keys it gets a former state back; None: nothing can be given back.
    written_by       wraps what changes the rows, with the author's name: for rows that have a history of their own.
    rows             what `stop` changes and `reinstate` gives back: one that has changed since is not given back.
    is_whole         whether one changed row of `rows` voids the undo of all of them.
    covers           what else an earlier undo must not give back any more: all that this is about.
    authorizations   those that end with it.
    consents, codes, sessions   what goes with it, so that it doesn't come back by itself.
    """

    name: str
    stops: str
    authorizations: QuerySet[Authorization]
    state: Callable[[], State] = _no_state
    stop: Callable[[], object] = _no_state
    reinstate: Callable[[State, frozenset[int]], object] | None = None
    written_by: Callable[[str], AbstractContextManager[object]] = nullcontext
    rows: tuple[QuerySet[Any], ...] = ()
    is_whole: bool = True
    covers: tuple[QuerySet[Any], ...] = ()
    consents: QuerySet[Consent] | None = None
    codes: QuerySet[AuthorizationCode] | None = None
    sessions: QuerySet[BrowserSession] | None = None
    client_id: str = ""
    subject: str = ""
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What a cut-off would end, or has ended: how many of each kind, and the first authorizations in words."""

    counts: Mapping[str, int]
    first: tuple[str, ...]

    @property
    def ended(self) -> int:
        return self.counts["authorizations"]


def target(kind: str, identifier: str) -> Target:
    """Raises `NothingToCut`."""
    found = _kinds()[kind](identifier) if kind in _kinds() else None
    if found is None:
        raise NothingToCut(f"There is no {kind} {identifier!r}.")
    return found


def kinds() -> tuple[str, ...]:
    return tuple(_kinds())


def preview(found: Target, now: datetime) -> Reckoning:
    """What would end now."""
    with long_statements():
        return _reckoned(found, now)


def _reckoned(found: Target, now: datetime) -> Reckoning:
    everything = Q(pk__in=found.authorizations.order_by().values("pk")) | Q(pk__in=chains.under(found.authorizations))
    live = Authorization.objects.filter(everything, revoked=None).filter(Q(expires=None) | Q(expires__gt=now))
    counts = {
        "authorizations": live.count(),
        "agents": live.order_by().values("client").distinct().count(),
        "people": live.order_by().exclude(user=None).values("user").distinct().count(),
        "MCP servers": live.order_by().exclude(resource=None).values("resource").distinct().count(),
        "sign-ins": 0 if found.sessions is None else found.sessions.filter(expire_date__gt=now).count(),
        "unused codes": 0 if found.codes is None else found.codes.filter(used=None, expires__gt=now).count(),
        "remembered consents": 0 if found.consents is None else found.consents.count(),
    }
    rows = live.select_related("client", "user", "resource").order_by("-created", "pk")[:FIRST]
    return Reckoning(counts, tuple(str(row) for row in rows))


def cut_off(
    found: Target, *, kind: str, identifier: str, reason: str, by: str, by_subject: str = "", now: datetime
) -> CutOff:
    """Stop and end it. `counts` of the row says what ended; `by_subject` is the person's who may undo it."""
    with long_statements(), unit_of_work():
        return end_now(found, kind=kind, identifier=identifier, reason=reason, by=by, by_subject=by_subject, now=now)


def end_now(
    found: Target, *, kind: str, identifier: str, reason: str, by: str, by_subject: str = "", now: datetime
) -> CutOff:
    """The same, inside the caller's `unit_of_work()`."""
    _lock(found)
    reckoning = _reckoned(found, now)
    before = found.state()
    # An earlier undo must not lift this one, whether or not there is anything left to stop.
    for rows in (*found.rows, *found.covers):
        CutOffMark.objects.filter(of_table=rows.model._meta.db_table, of_row__in=rows.order_by().values("pk")).delete()
    stopped = [(rows.model._meta.db_table, key) for rows in found.rows for key in rows.values_list("pk", flat=True)]
    with found.written_by(by):
        found.stop()
    # Sessions before codes: a request that issues one holds its session's row
    # (authz/endpoints/authorize_response.py).
    if found.sessions is not None:
        found.sessions.delete()
    # Codes before authorizations: a redemption that was faster has committed once this statement has its rows, and
    # what it made is seen by the next one (docs/decisions/0023-what-an-undo-gives-back.md).
    if found.codes is not None:
        found.codes.filter(used=None).update(expires=F("created"))
    if found.consents is not None:
        found.consents.delete()
    authorizations.end(found.authorizations, reason=REASON, now=now)
    for listener in registry.end_listeners():
        listener.cut_off(kind, identifier, subject=found.subject, now=now)
    row = CutOff.objects.create(
        kind=kind,
        identifier=identifier,
        name=found.name,
        time=now,
        by=by,
        by_subject=by_subject,
        reason=visible_lines(reason)[:500],
        counts=dict(reckoning.counts),
        before=before,
        after=found.state(),
    )
    if row.can_be_undone:
        marks = [CutOffMark(cut_off=row, of_table=table, of_row=key) for table, key in stopped]
        CutOffMark.objects.bulk_create(marks, batch_size=500)
    detail = {"ended": reckoning.ended, "counts": row.counts, "because": row.reason}
    _record(audit.Event.ACCESS_CUT_OFF, found, row, by=by, before=before, after=row.after, **detail)
    return row


def last(kind: str, identifier: str) -> CutOff:
    """The newest cut-off of this target that can be undone. Raises `NothingToUndo`."""
    for row in CutOff.objects.filter(kind=kind, identifier=identifier, undone=None).order_by("-id")[:100]:
        if row.can_be_undone:
            return row
    words = f"No cut-off of {kind} {identifier!r} waits to be undone. {GONE_FOR_GOOD}"
    raise NothingToUndo(UndoReason.NOTHING, words)


def is_void(row: CutOff) -> bool:
    """Whether an undo would give nothing back, because what it is about has changed since."""
    found = target(row.kind, row.identifier)
    return not _as_left(row, found)


def undo(row: CutOff, *, by: str, now: datetime) -> State:
    """Give the target back what it was, and nothing that it had; returns its state. Raises `NothingToUndo`."""
    found = target(row.kind, row.identifier)
    try:
        with long_statements(), unit_of_work():
            return give_back(row, by=by, now=now)
    except NothingToUndo as refused:
        with unit_of_work():
            detail = {"kind": row.kind, "name": row.name, "cut_off": row.pk, "by": by}
            audit.record(
                audit.Event.REINSTATING_REFUSED,
                reason=refused.reason,
                client_id=found.client_id,
                subject=found.subject,
                resource=found.resource,
                detail=detail,
            )
        raise


def give_back(row: CutOff, *, by: str, now: datetime) -> State:
    """An undo inside the caller's `unit_of_work()`. Raises `NothingToUndo`."""
    found = target(row.kind, row.identifier)
    if found.reinstate is None or not row.can_be_undone:
        raise NothingToUndo(UndoReason.NOTHING)
    # A request that suspends one of the rows at this moment waits here, or this one waits: the last one holds.
    _lock(found)
    # One conditional statement: of two requests that undo it at once, one does (invariant 3).
    if not CutOff.objects.filter(pk=row.pk, undone=None).update(undone=now, undone_by=by):
        raise NothingToUndo(UndoReason.DONE)
    left = _as_left(row, found)
    if not left:
        raise NothingToUndo(UndoReason.VOID)
    # What a request that was on its way got in spite of it does not come alive now.
    authorizations.end(found.authorizations, reason=REASON, now=now)
    before = found.state()
    with found.written_by(by):
        found.reinstate(row.before, left)
    row.marks.all().delete()
    for listener in registry.end_listeners():
        listener.reinstated(row.kind, subject=found.subject, now=now)
    after = found.state()
    _record(audit.Event.ACCESS_REINSTATED, found, row, by=by, before=before, after=after)
    return after


@contextmanager
def by_its_author(row: CutOff | None) -> Iterator[None]:
    """Changes inside come from who cut it off, so they don't void the undo. Inside the caller's `unit_of_work()`, which
    holds the rows."""
    before = set() if row is None else set(row.marks.values_list("of_table", "of_row"))
    yield
    if row is not None:
        lost = sorted(before - set(row.marks.values_list("of_table", "of_row")))
        CutOffMark.objects.bulk_create([CutOffMark(cut_off=row, of_table=table, of_row=key) for table, key in lost])


def _lock(found: Target) -> None:
    """Hold the rows that are stopped or given back until the transaction ends."""
    for rows in (*found.rows, *found.covers):
        list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))


def _as_left(row: CutOff, found: Target) -> frozenset[int]:
    """The keys of what can be given back: still as this cut-off left it. Of a whole that is all of it, or nothing."""
    left = list(row.marks.values_list("of_table", "of_row"))
    tables = {rows.model._meta.db_table for rows in found.rows}
    if found.is_whole and ({table for table, _ in left} != tables or found.state() != row.after):
        return frozenset()
    return frozenset(key for _, key in left)


def _record(
    event: audit.Event, found: Target, row: CutOff, *, by: str, before: State, after: State, **detail: object
) -> None:
    audit.record(
        event,
        client_id=found.client_id,
        subject=found.subject,
        resource=found.resource,
        detail={
            "kind": row.kind,
            "name": row.name,
            "cut_off": row.pk,
            "by": by,
            "before": in_short(before),
            "after": in_short(after),
            **detail,
        },
    )


def in_short(state: Mapping[str, Any]) -> State:
    """A state for people to read: a list as its length."""
    return {name: len(value) if isinstance(value, list) else value for name, value in state.items()}


@cache
def _kinds() -> dict[str, Callable[[str], Target | None]]:
    """Every app's: its `CUT_OFF_KINDS` names a function for each kind."""
    found: dict[str, Callable[[str], Target | None]] = {}
    for app in apps.get_app_configs():
        for kind, dotted in getattr(app, "CUT_OFF_KINDS", {}).items():
            found[kind] = import_string(dotted)
    return found
