"""How a receiver's stream is: for console, API, `doctor` and metrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min

from authz.operations.doctor import ERROR, WARNING, Finding
from xaa.models import SignalReceiver, SignalStream

ABOUT = "receivers of signals"
# Seconds after which what waits is a warning.
LATE = 300.0


@dataclass(frozen=True, slots=True)
class Health:
    """`stream` is None where the receiver has made none yet. `lag`: how long its oldest event waits, in seconds."""

    receiver: SignalReceiver
    stream: SignalStream | None
    waiting: int
    lag: float

    def as_item(self) -> dict[str, Any]:
        stream = self.stream
        return {
            "receiver": self.receiver.name,
            "stream": None
            if stream is None
            else {
                "id": stream.pk.hex,
                "method": stream.get_method_display().lower(),
                "status": stream.status,
                "reason": stream.reason,
                "waiting": self.waiting,
                "lag_seconds": round(self.lag),
                "sent": stream.sent,
                "refused": stream.refused,
                "lost": stream.lost,
                "last_arrived": stream.arrived.isoformat() if stream.arrived else None,
                "failing_since": stream.failing_since.isoformat() if stream.failing_since else None,
                "failure": stream.failure,
            },
        }


def of(receiver: SignalReceiver, now: datetime) -> Health:
    stream = SignalStream.objects.filter(receiver=receiver).first()
    if stream is None:
        return Health(receiver, None, 0, 0.0)
    waits = stream.waiting.aggregate(count=Count("pk"), oldest=Min("created"))
    oldest = waits["oldest"]
    return Health(receiver, stream, waits["count"], max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)


def every(now: datetime) -> list[Health]:
    return [of(receiver, now) for receiver in SignalReceiver.objects.filter(enabled=True)]


def findings(found: Health) -> Iterator[Finding]:
    name, stream = found.receiver.name, found.stream
    if stream is None:
        yield Finding(
            WARNING, ABOUT, f"{name} has made no stream yet", "It is told nothing until it does. Look at its set-up."
        )
        return
    if stream.status == SignalStream.Status.DISABLED and stream.changed_by != "receiver":
        yield Finding(
            ERROR,
            ABOUT,
            f"{name} is told nothing: {stream.reason or 'its stream is disabled'}",
            "Mend the receiver, switch its stream on again, and have it ask about all access anew.",
        )
    elif stream.status == SignalStream.Status.PAUSED and stream.changed_by != "receiver":
        yield Finding(ERROR, ABOUT, f"{name}'s stream is paused: {stream.reason}", "Mend it, and switch it on again.")
    elif stream.failing_since is not None:
        yield Finding(
            ERROR,
            ABOUT,
            f"{name} fails since {stream.failing_since:%Y-%m-%d %H:%M} UTC: {stream.failure}",
            "Look at the address, its certificate and its authorization header.",
        )
    elif found.lag > LATE:
        yield Finding(
            WARNING, ABOUT, f"{name}'s oldest event waits for {found.lag / 60:.0f} minutes", "Does it still poll?"
        )
