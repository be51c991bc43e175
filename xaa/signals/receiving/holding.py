"""A source that is held: its events wait, until an administrator releases or discards them. And what an undo restores.

A wrong stream, or a stolen key of a transmitter, must not empty the house: beyond its limit of people in an hour a
source is held, and administrators and approvers are told.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from authz import audit
from authz.authorizations import cut_off
from authz.database.transactions import long_statements, unit_of_work
from authz.models import User
from authz.notifications import plain, tell
from xaa.models import ReceivedSignal, SignalSource, SignalSourceState, SubjectLink
from xaa.signals.receiving.events import SignalEvent

Outcome = ReceivedSignal.Outcome
# Events that may wait. A transmitter keeps what is not taken, and sends it again.
MOST_WAITING = 10_000


class Kind(StrEnum):
    """Of notifications (docs/notifications.md)."""

    HELD = "signal_source.held"


class Refused(Exception):
    """What cannot be done, in words for who tried."""


def too_many(source: SignalSource) -> str:
    return f"It would end the access of more than {source.limit} people in an hour."


def waiting(source: SignalSource) -> QuerySet[ReceivedSignal]:
    """In the order in which they happened."""
    return ReceivedSignal.objects.filter(source=source, outcome=Outcome.WAITING).order_by("happened", "received", "id")


def is_full(source: SignalSource) -> bool:
    return waiting(source).order_by()[: MOST_WAITING + 1].count() > MOST_WAITING


def hold(source: SignalSource, *, because: str, by: str, now: datetime) -> bool:
    """Whether it was not held before. Inside `unit_of_work()`."""
    this = SignalSourceState.objects.filter(source=source, held=None)
    if not this.update(held=now, held_because=because[:255]):
        return False
    audit.record(SignalEvent.HELD, detail={"source": source.name, "because": because, **({"by": by} if by else {})})
    if not by:
        _tell(source, because)
    return True


def _tell(source: SignalSource, because: str) -> None:
    roles = (User.Role.ADMINISTRATOR, User.Role.APPROVER)
    tell(
        Kind.HELD,
        User.objects.filter(role__in=roles, is_active=True),
        subject=f"The signals of {plain(source.name)} are held",
        body=f"{because} Its events wait now, and none is acted on. Look at what it has done and what waits: release"
        " it if people have really left, or discard what waits and undo what it did.",
        link=f"/console/xaa/signalsource/{source.pk}/signals/",
        about=f"signals:{source.pk}",
        data={"source": source.name, "issuer": source.issuer.issuer, "because": because},
    )


def discard(source: SignalSource, *, by: str, now: datetime) -> int:
    """Drop what waits, and go on; how many were dropped."""
    with long_statements(), unit_of_work():
        state = SignalSourceState.objects.select_for_update().get(source=source)
        dropped = waiting(source).order_by().update(outcome=Outcome.DISCARDED, note=f"by {by}"[:255])
        SignalSourceState.objects.filter(pk=state.pk).update(held=None, held_because="", counted_from=now)
        audit.record(SignalEvent.DISCARDED, detail={"source": source.name, "events": dropped, "by": by})
    return dropped


# --- Undo ------------------------------------------------------------------------------------------------------------


def undo(row: ReceivedSignal, *, by: str, now: datetime) -> str:
    """Give back what an event took, as far as it can be given back; what it was, in words. Raises `Refused`."""
    with long_statements(), unit_of_work():
        # One conditional statement: of two undos at once one counts (invariant 3).
        this = ReceivedSignal.objects.filter(pk=row.pk, undone=None, outcome=Outcome.ACTED)
        if row.undone is None and not row.can_be_undone:
            raise Refused("There is nothing to give back: ended sign-ins and authorizations never come back.")
        if not this.update(undone=now, undone_by=by[:255]):
            raise Refused("It is undone already.")
        told = _given_back(row, by, now)
        detail = {"source": row.source.name, "signal": str(row.pk), "by": by, "given_back": told}
        audit.record(SignalEvent.UNDONE, subject=str(row.user.subject) if row.user else "", detail=detail)
    return told


def _given_back(row: ReceivedSignal, by: str, now: datetime) -> str:
    if row.cut_off is not None:
        try:
            with transaction.atomic():
                cut_off.give_back(row.cut_off, by=by, now=now)
        except cut_off.NothingToUndo as refused:
            return f"nothing: {refused}"[:200]
        return "the account"
    before: Mapping[str, Any] = row.before
    if "email" in before and row.user is not None:
        return _give_address(row, str(before["email"]))
    if "agent" in before and row.user is not None:
        return _give_agent(row, str(before["agent"]), before["agent_not_before"])
    if "not_before" in before and row.user is not None:
        links = SubjectLink.objects.filter(issuer=row.source.issuer, user=row.user)
        links.filter(not_before=row.happened.timestamp()).update(not_before=before["not_before"])
        return "assertions of before count again"
    return "nothing"


def _give_agent(row: ReceivedSignal, agent: str, was: float) -> str:
    for link in SubjectLink.objects.select_for_update().filter(issuer=row.source.issuer, user=row.user):
        if link.agents_not_before.get(agent) == row.happened.timestamp():
            link.agents_not_before[agent] = was
            link.save(update_fields=["agents_not_before"])
    return "assertions of before count again"


def _give_address(row: ReceivedSignal, address: str) -> str:
    assert row.user_id is not None  # noqa: S101  the caller has looked
    user = User.objects.select_for_update().get(pk=row.user_id)
    taken = User.objects.filter(email__iexact=address).exclude(pk=user.pk).exists()
    if taken or user.email not in {"", row.members.get("new-value")}:
        return "nothing: the address has changed since, or is another person's"
    user.email = address
    user.save(update_fields=["email"])
    return "the address"


def undo_since(source: SignalSource, since: datetime, *, by: str, now: datetime) -> int:
    """Undo what the source has done since then, newest first; how many events were undone."""
    rows = ReceivedSignal.objects.filter(source=source, outcome=Outcome.ACTED, undone=None, received__gte=since)
    done = 0
    for row in list(rows.select_related("cut_off", "user", "source__issuer").order_by("-received", "-id")):
        try:
            undo(row, by=by, now=now)
        except Refused:
            continue
        done += 1
    return done
