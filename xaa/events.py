"""What this app records in the audit (docs/audit.md)."""

from enum import StrEnum


class Event(StrEnum):
    ID_JAG_ISSUED = "token:id_jag:issued"
    PUBLIC_CLIENT_EXCHANGED = "token:id_jag:public_client"
    ID_JAG_REDEEMED_WITHOUT_SECRET = "token:id_jag:redeemed_without_secret"  # noqa: S105  an event's name
    ID_JAG_ANSWER_REPEATED = "token:id_jag:answer_repeated"
    USERINFO_REFUSED = "token:userinfo:refused"
    SUBJECT_LINKED = "subject:link:created"
    SUBJECT_UNLINKED = "subject:link:removed"
    SUBJECT_CREATED = "subject:person:created"
    SUBJECT_ADDRESS_UNUSED = "subject:address:unused"
    SUBJECT_GROUPS_CHANGED = "subject:groups:changed"
    SUBJECT_GROUPS_UNSAID = "subject:groups:unsaid"
    SESSION_ENDED = "person:sign_in:ended"
    LOGOUT_RECEIVED = "issuer:logout:received"
    LOGOUT_REFUSED = "issuer:logout:refused"
    SIGN_IN_TESTED = "issuer:sign_in:tested"
    ASSERTION_TESTED = "issuer:assertion:tested"
    CHANGE_PROPOSED = "issuer:change:proposed"
    CHANGE_DISCARDED = "issuer:change:discarded"
