"""Releases a source that was held: what waited is acted on, in the order in which it happened."""

from datetime import UTC, datetime

from authz import audit
from authz.database.transactions import long_statements, unit_of_work
from xaa.models import ReceivedSignal, SignalSource, SignalSourceState
from xaa.signals import subjects
from xaa.signals.event_types import known
from xaa.signals.receiving import holding, inbox, keys, people, writing
from xaa.signals.receiving.about import About
from xaa.signals.receiving.actions import Action
from xaa.signals.receiving.events import SignalEvent
from xaa.signals.receiving.set_claims import SecurityEvent
from xaa.signals.receiving.why import Why
from xaa.subjects import subject_effects

Outcome = ReceivedSignal.Outcome
BATCH = 500


def release(source: SignalSource, *, by: str, now: datetime) -> int:
    """Act on all that waits, whatever the limit says: an administrator has looked. How many events that were. Raises
    `OAuthError` for a source that is off.
    """
    keys.trust_of(source)
    done = 0
    while True:
        for row in list(holding.waiting(source).select_related("user", "source__issuer")[:BATCH]):
            done += subject_effects.with_retries(lambda row=row: _released(source, row, now))  # type: ignore[misc]
        with unit_of_work():
            state = SignalSourceState.objects.select_for_update().get(source=source)
            # Those that came meanwhile waited, too.
            if holding.waiting(source).exists():
                continue
            # What an administrator has looked at does not count for the limit.
            this = SignalSourceState.objects.filter(pk=state.pk)
            this.update(held=None, held_because="", counted_from=datetime.now(UTC))
            audit.record(SignalEvent.RELEASED, detail={"source": source.name, "events": done, "by": by})
            return done


def _released(source: SignalSource, row: ReceivedSignal, now: datetime) -> int:
    event = event_of(row)
    with long_statements(), unit_of_work():
        state = SignalSourceState.objects.select_for_update().get(source=source)
        # Of two who release at once, one acts on it (invariant 3).
        if not ReceivedSignal.objects.filter(pk=row.pk, outcome=Outcome.WAITING).update(outcome=Outcome.RECORDED):
            return 0
        assert event.subject is not None  # noqa: S101  what waits has one
        person = people.find(source, keys.transmitter_of(source), event.subject, state.critical)
        if isinstance(person, Why):
            writing.write(source, event, now, Outcome.NO_PERSON, note=person.sentence, instead=row)
            return 1
        taken = inbox.acted(About(source, keys.trust_of(source), person, event, now), Action(row.action), instead=row)
    if taken.outcome == Outcome.ACTED and taken.action in {Action.DECIDE, Action.ADDRESS}:
        inbox.decided(source, taken, now)
    return 1


def event_of(row: ReceivedSignal) -> SecurityEvent:
    """The event, as it was kept."""
    return SecurityEvent(
        jti=row.jti,
        issued=row.issued.timestamp(),
        happened=row.happened.timestamp(),
        txn="",
        uri=row.event_type,
        event_type=known(row.event_type),
        members=row.members,
        subject=subjects.read(row.subject) if row.subject else None,
    )
