"""An event about a person, and what was done about it: the values that the effects share."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from authz import audit
from authz.models import CutOff
from authz.protocol.jwts import CLOCK_SKEW
from xaa.models import SignalSource
from xaa.signals.event_types import OF_ACCOUNTS
from xaa.signals.receiving.events import SignalEvent
from xaa.signals.receiving.parts import Part
from xaa.signals.receiving.people import Person
from xaa.signals.receiving.set_claims import SecurityEvent
from xaa.trusted_issuers import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """`ended`: authorizations and sign-ins. `kept`: nothing was done, `note` says why. `before`: what an undo puts
    back."""

    ended: int = 0
    cut_off: CutOff | None = None
    before: dict[str, Any] | None = None
    note: str = ""
    kept: bool = False


@dataclass(frozen=True, slots=True)
class About:
    source: SignalSource
    trust: Trust
    person: Person
    event: SecurityEvent
    now: datetime

    @property
    def by(self) -> str:
        """The source's name in the audit."""
        return author(self.source)

    @property
    def name(self) -> str:
        return self.event.event_type.short if self.event.event_type else self.event.uri

    @property
    def part(self) -> Part | None:
        """What of the person is meant; None for all. A token by itself also names its person's account."""
        part = self.person.part
        return None if part is not None and part.is_bare and self.event.event_type in OF_ACCOUNTS else part

    @property
    def until(self) -> datetime:
        """What began later than this is not what the event ended: it may come late."""
        return datetime.fromtimestamp(self.event.happened, UTC) + timedelta(seconds=CLOCK_SKEW)

    def record(self, event: SignalEvent, **detail: object) -> None:
        said = {"source": self.source.name, "event": self.name, "jti": self.event.jti}
        audit.record(event, subject=str(self.person.user.subject), detail={**said, **detail})


def author(source: SignalSource) -> str:
    return f"signals {source.name}"
