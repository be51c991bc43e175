"""What this room records (authz/audit/__init__.py)."""

from enum import StrEnum


class Event(StrEnum):
    ID_JAG_ISSUED = "token:id_jag:issued"
    PUBLIC_CLIENT_EXCHANGED = "token:id_jag:public_client"
    SUBJECT_LINKED = "subject:link:created"
    SUBJECT_UNLINKED = "subject:link:removed"
    SUBJECT_CREATED = "subject:person:created"
    SUBJECT_GROUPS_CHANGED = "subject:groups:changed"
    SUBJECT_GROUPS_UNSAID = "subject:groups:unsaid"
    SESSION_ENDED = "person:sign_in:ended"
