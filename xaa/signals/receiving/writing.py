"""Writes down what came of an event: a row for the console and an undo, and an event in the audit."""

from datetime import UTC, datetime
from typing import Any

from authz import audit
from authz.models import User
from authz.protocol.display_names import visible
from xaa.models import ReceivedSignal, SignalSource
from xaa.signals import event_types, subjects
from xaa.signals.receiving.about import Effect
from xaa.signals.receiving.events import SignalEvent
from xaa.signals.receiving.set_claims import SecurityEvent

Outcome = ReceivedSignal.Outcome
# Outcomes that change something here, or wait to.
_COUNTS = frozenset({Outcome.ACTED, Outcome.WAITING, Outcome.VERIFIED, Outcome.UPDATED})
# A row keeps the members that effects read, in bounds.
MAXIMUM_MEMBERS = 4096
_DECIDING = ("claims", "new-value", "change_type", "credential_type", "current_status", "event_timestamp", "status")


def write(
    source: SignalSource,
    event: SecurityEvent,
    now: datetime,
    outcome: Outcome,
    *,
    user: User | None = None,
    action: str = "",
    ended: int = 0,
    note: str = "",
    effect: Effect | None = None,
    instead: ReceivedSignal | None = None,
) -> ReceivedSignal:
    """Inside `unit_of_work()`. `instead` is the row of an event that has waited until now."""
    effect = effect or Effect(ended=ended, note=note)
    row = instead or ReceivedSignal(
        source=source,
        jti=event.jti,
        event_type=event.uri,
        members={name: event.members[name] for name in _DECIDING if name in event.members},
        subject=subjects.as_json(event.subject) if event.subject is not None else {},
        issued=datetime.fromtimestamp(event.issued, UTC),
        happened=datetime.fromtimestamp(event.happened, UTC),
        received=now,
    )
    row.user, row.action, row.outcome = user, action, outcome
    row.ended, row.note, row.cut_off = effect.ended, effect.note[:255], effect.cut_off
    row.before = effect.before or {}
    row.received = now
    row.save()
    _record(source, event, row)
    return row


def _record(source: SignalSource, event: SecurityEvent, row: ReceivedSignal) -> None:
    said: dict[str, Any] = {
        "source": source.name,
        "issuer": source.issuer.issuer,
        "event": row.event_type.rpartition("/")[2][:100],
        "signal": str(row.pk),
        "jti": event.jti,
        "happened": row.happened.isoformat(),
        "outcome": row.outcome,
        **({"action": row.action, "ended": row.ended} if row.action else {}),
        **({"note": row.note} if row.note else {}),
        **({"txn": event.txn} if event.txn else {}),
    }
    if reason := event_types.reason(event.members):
        said["because"] = visible(reason)[:200]
    if isinstance(by := event.members.get("initiating_entity"), str):
        said["initiating_entity"] = visible(by)[:32]
    name = SignalEvent.RECEIVED if row.outcome in _COUNTS else SignalEvent.WITHOUT_EFFECT
    audit.record(name, subject=str(row.user.subject) if row.user else "", detail=said)


def as_item(row: ReceivedSignal) -> dict[str, Any]:
    """For programs. Its source and user are at hand."""
    return {
        "id": str(row.pk),
        "source": row.source.name,
        "event_type": row.event_type,
        "subject": row.subject,
        "username": row.user.username if row.user else None,
        "received": row.received.isoformat(),
        "happened": row.happened.isoformat(),
        "action": row.action,
        "outcome": row.outcome,
        "ended": row.ended,
        "note": row.note,
        "undone": row.undone.isoformat() if row.undone else None,
    }
