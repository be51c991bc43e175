"""Pushes what waits for streams (RFC 8935), as a scheduled task, and stops streams at which nothing arrives.

At least once: a stream is claimed for two minutes, and if the process dies, another one goes on with the same event.
Each stream's events go one after the other, the oldest first, so each subject's are in order; streams do not wait for
each other. After a failure a stream rests, longer each time. One at which nothing has arrived for a day is paused, and
administrators are told.
"""

import logging
import time
from collections.abc import Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet

from authz import audit
from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from xaa.models import SignalEvent, SignalStream
from xaa.signals.event_types import EventType
from xaa.signals.sending import outbox, push, sets, statuses
from xaa.signals.sending.audit_events import SendingEvent

logger = logging.getLogger(__name__)

EVERY = 1.0
# Seconds after which a run begins no new event; the current ones end within ten more.
BUDGET = 20.0
# Streams that are served in parallel.
STREAMS = 8
# Seconds after which streams are looked up again while events are being sent.
GLANCE = 0.5
# How long a claimed stream is ours: longer than any attempt takes.
CLAIM = timedelta(minutes=2)
# How long a stream rests after each failure in a row.
RESTS = tuple(timedelta(seconds=seconds) for seconds in (2, 10, 30, 120, 600, 1800, 3600))
# An event that its receiver refuses is offered so often: it may have our next key in a moment.
OFFERS = 3
# After so long without a success a stream is paused, also one that is not polled.
SILENCE = timedelta(days=1)
Status, Method = SignalStream.Status, SignalStream.Method


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A claimed stream's event, ready to be sent. `failure`: it cannot even be sent."""

    stream: SignalStream
    event: SignalEvent
    token: str = ""
    header: str = ""
    failure: Exception | None = None


def run() -> None:
    now = datetime.now(UTC)
    _stop_silent(now)
    ends, under_way = time.monotonic() + BUDGET, dict[Future[Exception | None], _Attempt]()
    # Threads only send: the database is this thread's business.
    with ThreadPoolExecutor(max_workers=STREAMS) as threads:
        while True:
            if time.monotonic() < ends:
                for stream in _claim(datetime.now(UTC), {one.stream.pk for one in under_way.values()}):
                    _begin(threads, under_way, stream)
            if not under_way:
                return
            done, _ = wait(under_way, timeout=GLANCE, return_when=FIRST_COMPLETED)
            for future in done:
                attempt = under_way.pop(future)
                goes_on = _record(attempt, future.result(), datetime.now(UTC))
                # The same claim serves the stream's next event.
                if goes_on and time.monotonic() < ends:
                    _begin(threads, under_way, attempt.stream)
                else:
                    _release(attempt.stream)


def measures() -> Mapping[str, tuple[str, float]]:
    """How what is told arrives, for the metrics."""
    streams = SignalStream.objects.filter(receiver__enabled=True)
    oldest = SignalEvent.objects.filter(stream__in=streams).aggregate(oldest=Min("created"))["oldest"]
    lag = max(0.0, (datetime.now(UTC) - oldest).total_seconds()) if oldest else 0.0
    stopped = streams.exclude(status=Status.ENABLED).exclude(changed_by=statuses.RECEIVER)
    return {
        "gatehouse_signals_lag_seconds": ("How long the oldest event waits that a receiver has not got.", lag),
        "gatehouse_signal_streams_failing": (
            "Streams of signals that this server stopped, or at which the last delivery failed.",
            streams.filter(failing_since__isnull=False).exclude(pk__in=stopped).count() + stopped.count(),
        ),
    }


def _begin(
    threads: ThreadPoolExecutor, under_way: dict[Future[Exception | None], _Attempt], stream: SignalStream
) -> None:
    attempt = _next(stream, datetime.now(UTC))
    if attempt is None:
        _release(stream)
    else:
        under_way[threads.submit(_send, attempt)] = attempt


def _pushed() -> QuerySet[SignalStream]:
    """The streams that have something to push. What is about a stream itself goes out also when it has stopped."""
    waiting = SignalEvent.objects.filter(stream=OuterRef("pk"))
    told = waiting.filter(event_type=EventType.STREAM_UPDATED.value)
    rows = SignalStream.objects.filter(method=Method.PUSH, receiver__enabled=True)
    return rows.filter(Q(status=Status.ENABLED) & Exists(waiting) | Exists(told))


def _claim(now: datetime, busy: Collection[UUID] = ()) -> list[SignalStream]:
    """The streams that may be served now, claimed each by one conditional statement (invariant 3)."""
    is_free = Q(claimed=None) | Q(claimed__lte=now)
    is_due = Q(due=None) | Q(due__lte=now)
    rows = _pushed().filter(is_free, is_due).exclude(pk__in=list(busy)).order_by("due", "pk")
    claimed = []
    for row in rows.select_related("receiver")[: max(0, STREAMS - len(busy))]:
        mine = SignalStream.objects.filter(pk=row.pk, claim=row.claim).filter(is_free)
        if mine.update(claimed=now + CLAIM, claim=F("claim") + 1):
            row.claim += 1
            claimed.append(row)
    return claimed


def _mine(stream: SignalStream) -> QuerySet[SignalStream]:
    """The stream, if the claim is still ours: another process may have taken over since."""
    return SignalStream.objects.filter(pk=stream.pk, claim=stream.claim)


def _release(stream: SignalStream) -> None:
    _mine(stream).update(claimed=None)


def _next(stream: SignalStream, now: datetime) -> _Attempt | None:
    """The stream's oldest event, as it is to be sent; None if there is none, or the claim was lost."""
    if not _mine(stream).update(claimed=now + CLAIM):
        return None
    current = SignalStream.objects.select_related("receiver").filter(pk=stream.pk).first()
    if current is None or current.method != Method.PUSH:
        return None
    waiting = SignalEvent.objects.filter(stream=current)
    if current.status != Status.ENABLED:
        waiting = waiting.filter(event_type=EventType.STREAM_UPDATED.value)
    row = waiting.order_by("pk").first()
    if row is None:
        return None
    row.stream = current
    # A key that was withdrawn meanwhile signs nothing.
    configuration_cache.begin()
    SignalEvent.objects.filter(pk=row.pk).update(attempts=F("attempts") + 1)
    row.attempts += 1
    try:
        return _Attempt(current, row, sets.signed(row, time.time()), push.authorization(current))
    except Exception as error:  # one stream that cannot be served stops no other
        return _Attempt(current, row, failure=error)


def _send(attempt: _Attempt) -> Exception | None:
    """Send it; what went wrong, if anything did."""
    if attempt.failure is not None:
        return attempt.failure
    try:
        push.post(attempt.stream.endpoint_url, attempt.header, attempt.token)
    except Exception as error:
        return error
    return None


# --- What became of it ------------------------------------------------------------------------------------------------


def _record(attempt: _Attempt, failure: Exception | None, now: datetime) -> bool:
    """Write the result. Whether the stream's next event may follow at once."""
    stream, event = attempt.stream, attempt.event
    with unit_of_work():
        if failure is None:
            done = SignalEvent.objects.filter(pk=event.pk).delete()[0]
            well = {"failures": 0, "failing_since": None, "failure": "", "due": None}
            return bool(_mine(stream).update(arrived=now, sent=F("sent") + done, **well))
        words = push.in_words(failure)
        # What was about a stream that has stopped is tried once.
        is_last = stream.status != Status.ENABLED
        if is_last or (push.is_refusal(failure) and event.attempts >= OFFERS):
            _give_up(stream, event, words)
            return bool(_mine(stream).update(failure=words))
        rest = RESTS[min(stream.failures, len(RESTS) - 1)]
        since = stream.failing_since or now
        _mine(stream).update(failures=F("failures") + 1, failing_since=since, failure=words, due=now + rest)
    logger.warning("events for %s do not arrive: %s", stream.receiver.name, words)
    return False


def _give_up(stream: SignalStream, event: SignalEvent, words: str) -> None:
    """Its receiver does not take it, and the others behind it are not to wait for that."""
    if SignalEvent.objects.filter(pk=event.pk).delete()[0]:
        _mine(stream).update(refused=F("refused") + 1)
        record_refused(stream, event, words)


def record_refused(stream: SignalStream, event: SignalEvent, words: str) -> None:
    kind = event.event_type.rpartition("/")[2]
    detail = {"receiver": stream.receiver.name, "jti": event.jti.hex, "event": kind, "because": words}
    audit.record(SendingEvent.EVENT_REFUSED, client_id=stream.receiver.client, detail=detail)


def _stop_silent(now: datetime) -> None:
    """Pause streams at which nothing arrives, and disable those whose oldest event waits too long."""
    old = SignalEvent.objects.filter(stream=OuterRef("pk"), created__lt=now - outbox.LONGEST_WAIT)
    too_long = SignalStream.objects.exclude(status=Status.DISABLED).filter(Exists(old))
    for stream in too_long[:STREAMS]:
        _stop(stream, now, lambda row: statuses.overflowed(row, 0, now))
    waits = SignalEvent.objects.filter(stream=OuterRef("pk"), created__lt=now - SILENCE)
    not_polled = Q(method=Method.POLL) & (Q(polled=None) | Q(polled__lt=now - SILENCE)) & Exists(waits)
    silent = SignalStream.objects.filter(status=Status.ENABLED, receiver__enabled=True)
    for stream in silent.filter(Q(failing_since__lt=now - SILENCE) | not_polled)[:STREAMS]:
        _stop(stream, now, lambda row: statuses.stopped(row, Status.PAUSED, statuses.SILENT, now))


def _stop(stream: SignalStream, now: datetime, how: "statuses.How") -> None:
    with unit_of_work():
        row = statuses.locked(stream)
        # Another process may have stopped it, or its receiver may have changed it.
        if row is not None and row.status == stream.status:
            how(row)
