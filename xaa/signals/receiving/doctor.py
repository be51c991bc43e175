"""Do the streams of events work, and can they go on for a while?"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from authz.operations.doctor import ERROR, WARNING, Finding
from xaa.models import SignalSource
from xaa.signals.event_types import StreamStatus
from xaa.signals.receiving import keys, state

ABOUT = "signal sources"
SOON = timedelta(days=14)
SILENCE = timedelta(days=3)


def sources() -> Iterator[Finding]:
    now = datetime.now(UTC)
    for row in SignalSource.objects.filter(enabled=True).select_related("issuer"):
        yield from examined(state.of(row, now), now)


def examined(found: state.State, now: datetime) -> Iterator[Finding]:
    yield from _delivery(found, now)
    yield from _status(found)
    row, name = found.row, found.source.name
    # Streams that are managed from here are asked for an event once a day (upkeep.py).
    if row.stream_id and (row.last is None or now - row.last > SILENCE):
        last = f"{row.last:%Y-%m-%d %H:%M} UTC" if row.last else "never"
        yield Finding(
            WARNING,
            ABOUT,
            f"{name}: no event has come for days, not even one that verifies the stream (last: {last})",
            f"Try `manage.py signals verify '{name}'`, and look at the transmitter's log.",
        )
    if row.failed is not None and (row.last is None or row.failed > row.last):
        yield Finding(
            WARNING,
            ABOUT,
            f"{name}: what last came of it failed: {row.failure}",
            "Look at signal:request:refused and signal:event:not_taken in the audit.",
        )


def _delivery(found: state.State, now: datetime) -> Iterator[Finding]:
    name, source = found.source.name, found.source
    if source.delivery == SignalSource.Delivery.POLL:
        if not keys.has_credentials(source) or not (source.poll_url or found.row.poll_url):
            yield Finding(
                ERROR,
                ABOUT,
                f"{name}: there is no address to poll, or no credentials for it, so no event is heard",
                f"Enter our client or our token there, then `manage.py signals create '{name}'`, or set poll_url.",
            )
        return
    if not found.tokens:
        yield Finding(
            ERROR,
            ABOUT,
            f"{name}: no token of it is good, so no event is heard",
            f"Make one with `manage.py signals token '{name}'`, and enter it at the transmitter.",
        )
    elif all(one.expires < now + SOON for one in found.tokens):
        last = max(one.expires for one in found.tokens)
        yield Finding(
            WARNING,
            ABOUT,
            f"{name}: its last token expires on {last:%Y-%m-%d}",
            f"Make a new one with `manage.py signals token '{name}'`; where the stream was made from here, with"
            f" `manage.py signals update '{name}' --new-token`.",
        )


def _status(found: state.State) -> Iterator[Finding]:
    name, row = found.source.name, found.row
    if row.held is not None:
        yield Finding(
            ERROR,
            ABOUT,
            f"{name}: it is held, and {found.waiting} events wait: {row.held_because}",
            f"Look at its events in the console, then `manage.py signals release '{name}'`, or discard them.",
        )
    if row.status in {StreamStatus.PAUSED, StreamStatus.DISABLED}:
        yield Finding(
            ERROR,
            ABOUT,
            f"{name}: its transmitter has {row.status} the stream ({row.status_reason or 'no reason'})",
            f"Enable it there, or with `manage.py signals status '{name}' enabled`.",
        )
