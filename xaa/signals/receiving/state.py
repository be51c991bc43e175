"""How a source is: its last event, its status, what it did and what waits; for console, API, command and `doctor`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from xaa.models import ReceivedSignal, SignalSource, SignalSourceState, SignalSourceToken
from xaa.signals.receiving import holding, keys

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class State:
    """`tokens` are those that are good now; `people` the people whose access it ended within a day."""

    source: SignalSource
    row: SignalSourceState
    tokens: tuple[SignalSourceToken, ...]
    waiting: int
    events: int
    people: int

    def as_item(self) -> dict[str, Any]:
        row = self.row
        return {
            "name": self.source.name,
            "issuer": self.source.issuer.issuer,
            "delivery": self.source.delivery,
            "enabled": self.source.enabled,
            "preview": self.source.preview,
            "held": _moment(row.held),
            "held_because": row.held_because,
            "waiting": self.waiting,
            "last_event": _moment(row.last),
            "verified": _moment(row.verified),
            "status": row.status,
            "status_reason": row.status_reason,
            "stream_id": row.stream_id,
            "last_error": {"at": _moment(row.failed), "what": row.failure} if row.failed else None,
            "events_of_a_day": self.events,
            "people_of_a_day": self.people,
            "tokens": [{"number": one.pk, "expires": one.expires.isoformat(), "by": one.by} for one in self.tokens],
        }

    def lines(self) -> Iterator[str]:
        source, row = self.source, self.row
        marks = "".join(
            text for text, is_so in ((", switched off", not source.enabled), (", preview", source.preview)) if is_so
        )
        yield f"{source.name} ({source.issuer.issuer}, {source.delivery}){marks}"
        if row.held:
            yield f"  held          {row.held:%Y-%m-%d %H:%M} UTC: {row.held_because} {self.waiting} events wait."
        yield f"  last event    {row.last:%Y-%m-%d %H:%M} UTC" if row.last else "  last event    never"
        if row.verified:
            yield f"  verified      {row.verified:%Y-%m-%d %H:%M} UTC"
        if row.status:
            yield f"  status there  {row.status}{f' ({row.status_reason})' if row.status_reason else ''}"
        if row.failed:
            yield f"  last error    {row.failed:%Y-%m-%d %H:%M} UTC: {row.failure}"
        yield f"  within a day  {self.events} events, {self.people} people ended"
        for one in self.tokens:
            yield f"  token {one.pk}       until {one.expires:%Y-%m-%d}, made by {one.by}"


def of(source: SignalSource, now: datetime) -> State:
    row = SignalSourceState.objects.filter(source=source).first() or SignalSourceState(source=source)
    lately = ReceivedSignal.objects.filter(source=source, received__gt=now - DAY)
    acted = lately.filter(outcome=ReceivedSignal.Outcome.ACTED, ended__gt=0)
    return State(
        source,
        row,
        tuple(source.tokens.filter(withdrawn=None, expires__gt=now)),
        holding.waiting(source).order_by().count(),
        lately.count(),
        acted.order_by().values("user").distinct().count(),
    )


def address() -> str:
    """What to enter at the transmitter."""
    return keys.push_address()


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
