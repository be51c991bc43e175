"""A test of a destination: one record that is no event of the audit goes out as a delivery does, and it says what came
back. Nothing of the delivery's position changes.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from authz.evidence import targets
from authz.evidence.delivery import FORMATS, in_words
from authz.evidence.destination_tokens import token_of
from authz.evidence.targets import Line
from authz.keys.secrets_at_rest import WrongKeyError
from authz.models import AuditDestination, AuditSegment
from authz.outbound import OutboundError

# No leaf of the tree has this index, so no receiver takes the record for an event.
NO_INDEX = -1
EVENT = "audit:destination:test"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether it arrived, in a sentence, and after how many seconds."""

    arrived: bool
    text: str
    seconds: float


def send(destination: AuditDestination, *, by: str, now: datetime | None = None) -> Outcome:
    """Send it through the outbound defences. No transaction may be open."""
    began = time.monotonic()
    try:
        text = _send(destination, by, now or datetime.now(UTC))
    except (OutboundError, OSError, WrongKeyError) as error:
        return Outcome(False, in_words(error), time.monotonic() - began)
    return Outcome(True, text, time.monotonic() - began)


def _send(destination: AuditDestination, by: str, now: datetime) -> str:
    to, token = destination.to, token_of(destination)
    if targets.is_file(to):
        # A record that is no event, or a checkpoint twice, would stay in the file.
        targets.touch(to)
        return "The file can be written. A test leaves nothing in it."
    if destination.format == AuditDestination.Format.CHECKPOINT:
        note = AuditSegment.objects.order_by("-start").values_list("checkpoint", flat=True).first()
        if note is None:
            return "Nothing is sealed yet, so there is no checkpoint to send."
        targets.send_checkpoint(to, note, token)
        return "It took the latest checkpoint."
    spoken = FORMATS[destination.format]
    event = {"id": 0, "time": now.isoformat(), "event": EVENT, "detail": {"by": by}}
    targets.send(to, spoken.MEDIA_TYPE, [Line(NO_INDEX, event, spoken.line(NO_INDEX, event))], token)
    if targets.is_syslog(to):
        return "It read the message and closed the connection in order. Syslog has no other answer."
    return "It took the record (2xx)."
