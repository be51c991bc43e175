"""What this app records in the audit (docs/audit.md)."""

from enum import StrEnum


class Event(StrEnum):
    FIRST_SEEN = "cimd:document:first_seen"
    FETCH_FAILED = "cimd:document:fetch_failed"
    DOCUMENT_CHANGED = "cimd:document:changed"
    QUARANTINED = "cimd:client:quarantined"
    APPROVED = "cimd:client:approved"
    TRUST_WITHDRAWN = "cimd:client:trust_withdrawn"
    REGISTERED = "registration:client:registered"
    REGISTRATION_CHANGED = "registration:client:changed"
    REGISTRATION_REMOVED = "registration:client:removed"
    REGISTRATION_REFUSED = "registration:client:refused"
