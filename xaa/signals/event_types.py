"""The events of SSF, CAEP and RISC: their URIs and their members. Pure.

Sources: CAEP 1.0 §3, RISC 1.0 §2, SSF 1.0 §8.1.4 (verification) and §8.1.5 (stream updated).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"


class EventType(StrEnum):
    """An event's type, by its URI. `short` is its last segment, as people write it."""

    SESSION_REVOKED = CAEP + "session-revoked"
    TOKEN_CLAIMS_CHANGE = CAEP + "token-claims-change"
    CREDENTIAL_CHANGE = CAEP + "credential-change"
    ASSURANCE_LEVEL_CHANGE = CAEP + "assurance-level-change"
    DEVICE_COMPLIANCE_CHANGE = CAEP + "device-compliance-change"
    SESSION_ESTABLISHED = CAEP + "session-established"
    SESSION_PRESENTED = CAEP + "session-presented"

    ACCOUNT_CREDENTIAL_CHANGE_REQUIRED = RISC + "account-credential-change-required"
    ACCOUNT_PURGED = RISC + "account-purged"
    ACCOUNT_DISABLED = RISC + "account-disabled"
    ACCOUNT_ENABLED = RISC + "account-enabled"
    IDENTIFIER_CHANGED = RISC + "identifier-changed"
    IDENTIFIER_RECYCLED = RISC + "identifier-recycled"
    CREDENTIAL_COMPROMISE = RISC + "credential-compromise"
    OPT_IN = RISC + "opt-in"
    OPT_OUT_INITIATED = RISC + "opt-out-initiated"
    OPT_OUT_CANCELLED = RISC + "opt-out-cancelled"
    OPT_OUT_EFFECTIVE = RISC + "opt-out-effective"
    RECOVERY_ACTIVATED = RISC + "recovery-activated"
    RECOVERY_INFORMATION_CHANGED = RISC + "recovery-information-changed"
    # > This event type is now deprecated. New implementations MUST use the session-revoked event (RISC 1.0)
    SESSIONS_REVOKED = RISC + "sessions-revoked"

    VERIFICATION = SSF + "verification"
    STREAM_UPDATED = SSF + "stream-updated"

    @property
    def short(self) -> str:
        return self.value.rpartition("/")[2]


# The events about a stream itself, which come whether or not they were asked for.
OF_STREAMS = frozenset({EventType.VERIFICATION, EventType.STREAM_UPDATED})

# Events that say how an account is: of two, the one that happened later counts.
OF_ACCOUNTS = frozenset({EventType.ACCOUNT_DISABLED, EventType.ACCOUNT_PURGED, EventType.ACCOUNT_ENABLED})


class InitiatingEntity(StrEnum):
    ADMIN = "admin"
    USER = "user"
    POLICY = "policy"
    SYSTEM = "system"


class CredentialChange(StrEnum):
    """`change_type` of credential-change."""

    CREATE = "create"
    REVOKE = "revoke"
    UPDATE = "update"
    DELETE = "delete"


# `credential_type`: these, or any other type on which both ends agree.
CREDENTIAL_TYPES = (
    *("password", "pin", "x509", "fido2-platform", "fido2-roaming", "fido-u2f"),
    *("verifiable-credential", "phone-voice", "phone-sms", "app"),
)


class Compliance(StrEnum):
    """`current_status` and `previous_status` of device-compliance-change."""

    COMPLIANT = "compliant"
    NOT_COMPLIANT = "not-compliant"


class StreamStatus(StrEnum):
    """`status` of stream-updated, and of a stream."""

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"


class DisabledBecause(StrEnum):
    """`reason` of account-disabled, where there is one."""

    HIJACKING = "hijacking"
    BULK_ACCOUNT = "bulk-account"


class EventMemberError(ValueError):
    """An event without a member that its definition asks for, or with a value that it rules out."""

    def __init__(self, event_type: EventType, member: str) -> None:
        super().__init__(f"{event_type.short}: {member}")
        self.event_type = event_type
        self.member = member


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and bool(value)


def _one_of(allowed: type[StrEnum]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in frozenset(allowed)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an event's object, and what its value has to be."""

    name: str
    is_right: Callable[[object], bool]
    required: bool = True


# The members that an event's meaning rests on. Others (reason_admin, friendly_name, …) are for people to read.
MEMBERS: Mapping[EventType, tuple[Member, ...]] = {
    EventType.TOKEN_CLAIMS_CHANGE: (Member("claims", _is_object),),
    EventType.CREDENTIAL_CHANGE: (
        Member("credential_type", _is_text),
        Member("change_type", _one_of(CredentialChange)),
    ),
    EventType.ASSURANCE_LEVEL_CHANGE: (Member("namespace", _is_text), Member("current_level", _is_text)),
    # Without the status before it says the same, and is not refused for that.
    EventType.DEVICE_COMPLIANCE_CHANGE: (
        Member("current_status", _one_of(Compliance)),
        Member("previous_status", _one_of(Compliance), required=False),
    ),
    EventType.IDENTIFIER_CHANGED: (Member("new-value", _is_text, required=False),),
    EventType.CREDENTIAL_COMPROMISE: (Member("credential_type", _is_text),),
    EventType.VERIFICATION: (Member("state", lambda value: isinstance(value, str), required=False),),
    EventType.STREAM_UPDATED: (Member("status", _one_of(StreamStatus)),),
}
_OF_ALL = (Member("event_timestamp", _is_number, required=False),)


def known(uri: str) -> EventType | None:
    """The event type of a URI, byte for byte; None for one that these texts do not define."""
    try:
        return EventType(uri)
    except ValueError:
        return None


def check(event_type: EventType, event: Mapping[str, Any]) -> None:
    """Raises `EventMemberError`.

    > Receivers MUST ignore any fields they do not understand from the SSF events they receive. (SSF 1.0 §4.2.3)
    """
    for member in (*MEMBERS.get(event_type, ()), *_OF_ALL):
        if member.name not in event:
            if member.required:
                raise EventMemberError(event_type, member.name)
        elif not member.is_right(event[member.name]):
            raise EventMemberError(event_type, member.name)


def reason(event: Mapping[str, Any], member: str = "reason_admin") -> str:
    """What a `reason_admin` or `reason_user` says: in English where it does, otherwise in its first language; "" for
    none. Drafts of CAEP had a plain text there.
    """
    said = event.get(member)
    if isinstance(said, dict):
        texts = {language: text for language, text in said.items() if isinstance(text, str)}
        said = texts.get("en") or next(iter(texts.values()), "")
    return said if isinstance(said, str) else ""
