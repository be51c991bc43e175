"""The outbox: what waits for each stream. It is written in the transaction of its cause, and is bounded."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from xaa.models import SignalEvent, SignalStream
from xaa.signals import subjects
from xaa.signals.event_types import EventType
from xaa.signals.sending import saying, statuses
from xaa.signals.sending.saying import Said

# What a stream may hold at most, also a paused one: so many events, for so long. Beyond it, the stream is disabled and
# what waits is dropped, which administrators and the receiver are told.
MOST_WAITING = 10_000
LONGEST_WAIT = timedelta(days=7)
Status = SignalStream.Status


def delivered(requested: Sequence[str] | None) -> list[EventType]:
    """> This is a subset (not necessarily a proper subset) of the intersection of "events_supported" and
    > "events_requested". (SSF 1.0 §8.1.1) A receiver that asks for none in particular gets the usual ones.
    """
    if requested is None:
        return list(saying.USUAL)
    return [kind for kind in saying.SUPPORTED if kind.value in requested]


def write(told: Mapping[int, Sequence[Said]], txn: uuid.UUID, now: datetime) -> None:
    """Put events into the streams of their receivers (by primary key). Inside `unit_of_work()`."""
    if not told:
        return
    # > disabled: The Transmitter MUST NOT transmit events over the stream and will not hold any events for later
    # > transmission. (SSF 1.0 §8.1.2)
    streams = SignalStream.objects.filter(receiver__in=list(told), receiver__enabled=True)
    for stream in streams.exclude(status=Status.DISABLED).select_related("receiver").order_by("pk"):
        wanted = frozenset(delivered(stream.events_requested))
        excluded = [subjects.read(row.subject) for row in stream.exclusions.all()]
        fresh = [
            said
            for said in told[stream.receiver_id]
            if said.event_type in wanted and not any(saying.is_excluded(said, one) for one in excluded)
        ]
        _put(stream, fresh, txn, now)


def _put(stream: SignalStream, fresh: Sequence[Said], txn: uuid.UUID, now: datetime) -> None:
    if not fresh:
        return
    if stream.waiting.count() + len(fresh) > MOST_WAITING:
        statuses.overflowed(stream, len(fresh), now)
        return
    rows = [
        SignalEvent(
            stream=stream,
            txn=txn,
            event_type=said.event_type.value,
            subject=subjects.as_json(said.subject),
            claims=dict(said.claims),
            digest=said.digest,
            created=now,
        )
        for said in fresh
    ]
    SignalEvent.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)
