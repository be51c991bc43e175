"""What happens to streams, for the audit (docs/audit.md). What is said on them follows from the events of the ends."""

from enum import StrEnum


class SendingEvent(StrEnum):
    STREAM_CREATED = "signals:stream:created"
    STREAM_CHANGED = "signals:stream:changed"
    STREAM_DELETED = "signals:stream:deleted"
    SUBJECT_REMOVED = "signals:subject:removed"
    SUBJECT_ADDED = "signals:subject:added"
    EVENT_REFUSED = "signals:event:refused"
    REFUSED = "signals:request:refused"
