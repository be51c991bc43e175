"""What the audit says of received events (docs/audit.md)."""

from enum import StrEnum


class SignalEvent(StrEnum):
    RECEIVED = "signal:event:received"
    WITHOUT_EFFECT = "signal:event:without_effect"
    REFUSED = "signal:request:refused"
    NOT_TAKEN = "signal:event:not_taken"
    SESSIONS_ENDED = "signal:sessions:ended"
    DECIDED_ANEW = "signal:access:decided_anew"
    ADDRESS_CHANGED = "signal:address:changed"
    HELD = "signal:source:held"
    RELEASED = "signal:source:released"
    DISCARDED = "signal:source:discarded"
    UNDONE = "signal:event:undone"
    STATUS_CHANGED = "signal:source:status_changed"
    MANAGED = "signal:source:managed"
    TOKEN_MADE = "signal:token:made"  # noqa: S105  not a secret
    TOKEN_WITHDRAWN = "signal:token:withdrawn"  # noqa: S105
