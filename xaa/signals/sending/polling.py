"""Handing events out (RFC 8936): what is acknowledged goes, and the oldest that are left are handed out, again too."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from authz.database import concurrency
from authz.database.transactions import unit_of_work
from authz.protocol.display_names import visible
from authz.protocol.errors import OAuthError
from xaa.models import SignalEvent, SignalStream
from xaa.signals.event_types import EventType
from xaa.signals.sending import delivery, sets, statuses
from xaa.signals.sending.reasons import SendingReason
from xaa.signals.sending.streams import malformed

Status, Method = SignalStream.Status, SignalStream.Method
# How many events one answer has at most, and how many a request may acknowledge.
MOST_EVENTS, MOST_ACKNOWLEDGED = 100, 1000
# Seconds that a long poll waits at most, and between two looks. It holds a waiting place
# (authz/database/concurrency.py); where none is free it is answered at once, as RFC 8936 §2.4 lets it be.
LONGEST, LOOK = 20.0, 0.5


@dataclass(frozen=True, slots=True)
class Poll:
    """`most`: how many events are wanted. `errors`: what its receiver could not take, and why."""

    most: int
    is_immediate: bool
    acknowledged: tuple[UUID, ...]
    errors: Mapping[UUID, str]


def read(body: Mapping[str, Any]) -> Poll:
    """Raises `OAuthError`.

    > An OPTIONAL integer value indicating the maximum number of unacknowledged SETs to be returned. (RFC 8936 §2.2)
    """
    most, immediate = body.get("maxEvents", MOST_EVENTS), body.get("returnImmediately", False)
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        raise malformed("maxEvents has to be a number that is not negative.")
    if not isinstance(immediate, bool):
        raise malformed("returnImmediately has to be true or false.")
    ack, errors = body.get("ack", []), body.get("setErrs", {})
    if not isinstance(ack, list) or not isinstance(errors, dict) or len(ack) + len(errors) > MOST_ACKNOWLEDGED:
        raise malformed(f"ack has to be a list, and setErrs an object, of {MOST_ACKNOWLEDGED} events at most.")
    said = {jti: _error(error) for jti, error in errors.items()}
    return Poll(
        most=min(most, MOST_EVENTS),
        is_immediate=immediate,
        acknowledged=tuple(known for one in ack if (known := _jti(one)) is not None),
        errors={known: error for one, error in said.items() if (known := _jti(one)) is not None},
    )


def _jti(value: object) -> UUID | None:
    """One of ours; None for any other, which is no event of this stream."""
    try:
        return UUID(hex=value) if isinstance(value, str) and len(value) == 32 else None
    except ValueError:
        return None


def _error(value: object) -> str:
    if not isinstance(value, dict) or not isinstance(value.get("err"), str):
        raise malformed("Each of setErrs has to be an object with err.")
    description = value.get("description", "")
    return visible(f"{value['err'][:64]}: {description}" if isinstance(description, str) else value["err"])[:200]


def answer(stream: SignalStream, poll: Poll, now: datetime) -> dict[str, Any]:
    """The response's body. Raises `OAuthError`."""
    _came(stream, poll, now)
    found = _waiting(stream, poll)
    # > returnImmediately: […] its absence lets the transmitter wait until there is something (RFC 8936 §2.2).
    if not found and not poll.is_immediate and poll.most and concurrency.may_block(f"poll {stream.pk}"):
        ends = time.monotonic() + LONGEST
        while not found and time.monotonic() < ends:
            time.sleep(LOOK)
            found = _waiting(stream, poll)
    moment = time.time()
    return {
        "sets": {row.jti.hex: sets.signed(row, moment) for row in found[: poll.most]},
        "moreAvailable": len(found) > poll.most,
    }


def _came(stream: SignalStream, poll: Poll, now: datetime) -> None:
    """Take what the receiver acknowledges and refuses. A stream that was paused because no one polled goes on."""
    with unit_of_work():
        row = statuses.locked(stream)
        if row is None:
            raise OAuthError(SendingReason.STREAM_UNKNOWN)
        refused = list(row.waiting.filter(jti__in=list(poll.errors)))
        done = row.waiting.filter(jti__in=[*poll.acknowledged, *poll.errors]).delete()[0]
        changes: dict[str, Any] = {"polled": now, "sent": F("sent") + done - len(refused)}
        if done:
            changes |= {"arrived": now, "failures": 0, "failing_since": None, "failure": ""}
        if refused:
            changes |= {"refused": F("refused") + len(refused), "failure": poll.errors[refused[-1].jti]}
        SignalStream.objects.filter(pk=row.pk).update(**changes)
        for event in refused:
            delivery.record_refused(row, event, poll.errors[event.jti])
        if row.status == Status.PAUSED and row.changed_by == statuses.SERVER:
            row.refresh_from_db()
            statuses.change(row, Status.ENABLED, "It is polled again.", by=statuses.SERVER, who="this server", now=now)


def _waiting(stream: SignalStream, poll: Poll) -> list[SignalEvent]:
    """The oldest events, one more than are wanted; of a stream that has stopped, what is about the stream itself."""
    current = SignalStream.objects.select_related("receiver").filter(pk=stream.pk, method=Method.POLL).first()
    if current is None:
        raise OAuthError(SendingReason.STREAM_UNKNOWN)
    rows = SignalEvent.objects.filter(stream=current)
    if current.status != Status.ENABLED:
        rows = rows.filter(event_type=EventType.STREAM_UPDATED.value)
    found = list(rows.order_by("pk")[: poll.most + 1])
    for row in found:
        row.stream = current
    return found
