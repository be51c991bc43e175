"""The switch: all access of an agent, a person, an authorization, a session, an MCP server, an issuer, a document, or
of everybody ends at once.

One transaction stops issuing and ends what stands. From its commit on nothing is issued, no refresh succeeds, and
introspection calls every token under it inactive; what a request that began before it still got is judged by that, too.

Undoing gives back the right to ask. It never gives back what was given: ended authorizations stay ended
(docs/decisions/0023-what-an-undo-gives-back.md).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any

from django.apps import apps
from django.db.models import F, Q, QuerySet

from authz import audit, authorizations
from authz.models import Authorization, AuthorizationCode, BrowserSession, Consent, CutOff
from authz.transactions import long_statements, settled

REASON = "cut_off"
# How many names a preview gives.
FIRST = 10
GONE_FOR_GOOD = "Authorizations that have ended never come back: agents ask again, and people consent again."

State = dict[str, Any]


class NothingToCut(Exception):
    """There is no such agent, person, …; in words for who tried."""


class NothingToUndo(Exception):
    """There is nothing that an undo could give back; in words for who tried."""


def _no_state() -> State:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be cut off.

    stops            what follows, in words.
    state            what it is now, for JSON: what the audit shows before and after, and what an undo goes back to.
    stop             what keeps it from getting more, inside the transaction.
    reinstate        gives a former state back, where it is still as `stop` left it; None: nothing can be given back.
    authorizations   those that end with it.
    consents, codes, sessions   what goes with it, so that it doesn't come back by itself.
    """

    name: str
    stops: str
    authorizations: QuerySet[Authorization]
    state: Callable[[], State] = _no_state
    stop: Callable[[], object] = _no_state
    reinstate: Callable[[State], object] | None = None
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
    live = found.authorizations.filter(revoked=None).filter(Q(expires=None) | Q(expires__gt=now))
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


def cut_off(found: Target, *, kind: str, identifier: str, reason: str, by: str, now: datetime) -> CutOff:
    """Stop and end it. `counts` of the row says what ended."""
    with long_statements(), settled():
        reckoning = _reckoned(found, now)
        before = found.state()
        found.stop()
        # Codes before authorizations: a redemption that was faster has committed once this statement has its rows, and
        # what it made is seen by the next one (docs/decisions/0023-what-an-undo-gives-back.md).
        if found.codes is not None:
            found.codes.filter(used=None).update(expires=F("created"))
        if found.consents is not None:
            found.consents.delete()
        if found.sessions is not None:
            found.sessions.delete()
        authorizations.end(found.authorizations, reason=REASON, now=now)
        row = CutOff.objects.create(
            kind=kind,
            identifier=identifier,
            name=found.name,
            time=now,
            by=by,
            reason=reason[:500],
            counts=dict(reckoning.counts),
            before=before,
            after=found.state(),
        )
        detail = {"ended": reckoning.ended, "counts": row.counts, "because": row.reason}
        _record(audit.Event.ACCESS_CUT_OFF, found, row, by=by, before=before, after=row.after, **detail)
    return row


def last(kind: str, identifier: str) -> CutOff:
    """The newest cut-off of this target that can be undone. Raises `NothingToUndo`."""
    for row in CutOff.objects.filter(kind=kind, identifier=identifier, undone=None).order_by("-id")[:100]:
        if row.can_be_undone:
            return row
    raise NothingToUndo(f"No cut-off of {kind} {identifier!r} waits to be undone. {GONE_FOR_GOOD}")


def undo(row: CutOff, *, by: str, now: datetime) -> State:
    """Give the target back what it was, and nothing that it had; returns its state. Raises `NothingToUndo`."""
    found = target(row.kind, row.identifier)
    if found.reinstate is None or not row.can_be_undone:
        raise NothingToUndo(f"There is nothing to give back. {GONE_FOR_GOOD}")
    with long_statements(), settled():
        # One conditional statement: of two who undo it at once, one does (law 3).
        if not CutOff.objects.filter(pk=row.pk, undone=None).update(undone=now, undone_by=by):
            raise NothingToUndo("Somebody else was quicker: it is undone already.")
        # What a request that was on its way got in spite of it does not come alive now.
        authorizations.end(found.authorizations, reason=REASON, now=now)
        before = found.state()
        found.reinstate(row.before)
        after = found.state()
        _record(audit.Event.ACCESS_REINSTATED, found, row, by=by, before=before, after=after)
    return after


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
            module, _, name = dotted.rpartition(".")
            found[kind] = getattr(import_module(module), name)
    return found
