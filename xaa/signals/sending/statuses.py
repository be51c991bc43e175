"""The status of a stream: who changes it, what that means for what waits, and who is told."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from authz import audit, notifications
from authz.models import User
from authz.protocol.display_names import visible
from xaa.models import SignalStream
from xaa.signals.event_types import EventType
from xaa.signals.sending import sets
from xaa.signals.sending.audit_events import SendingEvent

Status = SignalStream.Status
How = Callable[[SignalStream], None]
RECEIVER, ADMINISTRATOR, SERVER = "receiver", "administrator", "server"
SILENT = "Nothing arrived for a day."
OVERFLOWED = "More waited than is kept. Events were lost: ask this server about all access anew."


class Kind(StrEnum):
    """What is told by mail and by webhook (docs/notifications.md)."""

    STREAM_STOPPED = "signal_stream.stopped"


def change(stream: SignalStream, status: str, reason: str, *, by: str, who: str, now: datetime) -> None:
    """Set a stream's status. Inside `unit_of_work()`, with the stream locked."""
    before = stream.status
    stream.status, stream.reason, stream.changed_by = status, visible(reason)[:255], by
    if status == Status.ENABLED:
        stream.due, stream.failures, stream.failing_since, stream.failure = None, 0, None, ""
    if status == Status.DISABLED:
        stream.waiting.all().delete()
    stream.save()
    # > If a Transmitter decides to enable, pause or disable updates from a stream independently of an update request
    # > from a Receiver, it MUST send a Stream Updated Event (SSF 1.0 §8.1.2). It goes out of a stopped stream, too.
    if by != RECEIVER and before != status:
        sets.write_about(stream, EventType.STREAM_UPDATED, {"status": status, "reason": stream.reason}, now)
    if before != status:
        detail = {"receiver": stream.receiver.name, "was": before, "status": status, "because": stream.reason}
        audit.record(SendingEvent.STREAM_CHANGED, client_id=stream.receiver.client, detail={**detail, "by": who})


def stopped(stream: SignalStream, status: str, reason: str, now: datetime) -> None:
    """This server stops a stream, and tells administrators. Inside `unit_of_work()`, with the stream locked."""
    change(stream, status, reason, by=SERVER, who="this server", now=now)
    people = User.objects.filter(role=User.Role.ADMINISTRATOR, is_active=True)[:20]
    name = notifications.plain(stream.receiver.name)
    notifications.tell(
        Kind.STREAM_STOPPED,
        people,
        subject=f"{name} is no longer told when access ends",
        body=f"The stream of signals to {name} is {status}.\n\n{reason}\n\nIts last failure: {stream.failure or '—'}",
        link=f"/console/xaa/signalreceiver/{stream.receiver_id}/change/",
        about=f"signals:{stream.pk.hex}",
        data={"receiver": stream.receiver.name, "stream": stream.pk.hex, "status": status, "reason": reason},
        now=now,
    )


def overflowed(stream: SignalStream, more: int, now: datetime) -> None:
    """More waits than a stream may hold: it is disabled, and what waited is dropped. Inside `unit_of_work()`."""
    stream.lost += stream.waiting.count() + more
    stopped(stream, Status.DISABLED, OVERFLOWED, now)


def locked(stream: SignalStream) -> SignalStream | None:
    """The stream's row, locked until the transaction ends; None if it was deleted."""
    return SignalStream.objects.select_for_update(of=("self",)).select_related("receiver").filter(pk=stream.pk).first()
