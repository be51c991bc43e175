"""The subjects that a receiver removed from its stream, and added again (SSF 1.0 §8.1.3).

All subjects that concern a receiver are in its stream by default. Adding one that does not concern it changes nothing,
and the answer is the same, so no one learns who is here.
"""

from collections.abc import Mapping
from typing import Any

from authz import audit
from xaa.models import SignalExclusion, SignalStream
from xaa.signals import subjects
from xaa.signals.sending import saying
from xaa.signals.sending.audit_events import SendingEvent
from xaa.signals.sending.streams import malformed

MOST = 10_000


def add(stream: SignalStream, body: Mapping[str, Any]) -> None:
    """Inside `unit_of_work()`. Raises `OAuthError`."""
    _, digest = _subject(body)
    if SignalExclusion.objects.filter(stream=stream, digest=digest).delete()[0]:
        _record(SendingEvent.SUBJECT_ADDED, stream, digest)


def remove(stream: SignalStream, body: Mapping[str, Any]) -> None:
    """Inside `unit_of_work()`. Raises `OAuthError`."""
    subject, digest = _subject(body)
    if stream.exclusions.filter(digest=digest).exists():
        return
    if stream.exclusions.count() >= MOST:
        raise malformed(f"A stream has {MOST} removed subjects at most.")
    SignalExclusion.objects.bulk_create(
        [SignalExclusion(stream=stream, subject=subject, digest=digest)], ignore_conflicts=True
    )
    # > A malicious party may find it advantageous to remove a particular subject from a stream (SSF 1.0 §9.3)
    _record(SendingEvent.SUBJECT_REMOVED, stream, digest)


def _subject(body: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    try:
        subject = subjects.as_json(subjects.read(body.get("subject")))
    except subjects.SubjectError as error:
        raise malformed(f"subject: {error}") from None
    return subject, saying.digest(subject)


def _record(event: SendingEvent, stream: SignalStream, digest: str) -> None:
    detail = {"receiver": stream.receiver.name, "stream": stream.pk.hex, "subject_digest": digest}
    audit.record(event, client_id=stream.receiver.client, detail=detail)
