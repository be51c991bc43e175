"""Events about a stream itself: that it works (verification), and that its transmitter has changed its status.

> The value of the top-level sub_id claim in a Verification Event MUST always be set to have a simple value of type
> opaque. The id of the value MUST be the stream_id of the stream being verified. (SSF 1.0 §8.1.4.1)
"""

import hashlib
import hmac
from datetime import datetime

from authz import audit
from authz.protocol.display_names import visible
from authz.protocol.errors import OAuthError
from xaa.models import ReceivedSignal, SignalSource, SignalSourceState
from xaa.signals.event_types import OF_STREAMS, EventType
from xaa.signals.receiving import writing
from xaa.signals.receiving.events import SignalEvent
from xaa.signals.receiving.reasons import SignalReason
from xaa.signals.receiving.set_claims import SecurityEvent
from xaa.signals.subjects import Opaque

Outcome = ReceivedSignal.Outcome


def check(state: SignalSourceState, event: SecurityEvent, now: datetime) -> None:
    """Before the claim: what is refused here may come again. Raises `OAuthError`."""
    if event.event_type not in OF_STREAMS:
        return
    if not isinstance(event.subject, Opaque) or (state.stream_id and event.subject.id != state.stream_id):
        raise OAuthError(SignalReason.OF_ANOTHER_STREAM)
    # > the Event Receiver SHALL confirm that the value for "state" is as expected. If the value of "state" does not
    # > match, an error response with the "err" field set to "invalid_state" SHOULD be returned (SSF 1.0 §8.1.4.1)
    # > If the Verification Event is initiated by the Transmitter then this parameter MUST not be set. (§8.1.4.2)
    said = event.members.get("state")
    if event.event_type is EventType.VERIFICATION and said is not None and not _is_asked_for(state, str(said)):
        raise OAuthError(SignalReason.STATE)


def digest_of(said: str) -> str:
    return hashlib.sha256(said.encode()).hexdigest()


def _is_asked_for(state: SignalSourceState, said: str) -> bool:
    return bool(state.state_digest) and hmac.compare_digest(state.state_digest, digest_of(said))


def take(source: SignalSource, state: SignalSourceState, event: SecurityEvent, now: datetime) -> ReceivedSignal:
    """Inside `unit_of_work()`, after the claim."""
    this = SignalSourceState.objects.filter(pk=state.pk)
    if event.event_type is EventType.VERIFICATION:
        this.update(verified=now, failure="", failed=None)
        return writing.write(source, event, now, Outcome.VERIFIED)
    reason = event.members.get("reason")
    because = visible(reason)[:255] if isinstance(reason, str) else ""
    # A status of before a later one says nothing of now.
    if state.status_at is None or state.status_at.timestamp() <= event.issued:
        changed(source, state, str(event.members["status"]), because, datetime.fromtimestamp(event.issued, now.tzinfo))
        return writing.write(source, event, now, Outcome.UPDATED, note=because)
    return writing.write(source, event, now, Outcome.OUTDATED, note=because)


def changed(source: SignalSource, state: SignalSourceState, status: str, reason: str, at: datetime) -> None:
    """The transmitter says how its stream is. Inside `unit_of_work()`."""
    this = SignalSourceState.objects.filter(pk=state.pk)
    this.update(status=status[:16], status_reason=reason[:255], status_at=at)
    if status != state.status:
        detail = {"source": source.name, "before": state.status, "after": status, "because": reason}
        audit.record(SignalEvent.STATUS_CHANGED, detail=detail)
