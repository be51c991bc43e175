"""What an event leads to: by its type, its members, and the source's own choice. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from xaa.signals.event_types import Compliance, CredentialChange, EventType


class Action(StrEnum):
    """What is done about the person of an event."""

    END = "end"  # the switch: the account is disabled, and all access ends
    SESSIONS = "sessions"  # the sign-ins by the issuer end, and what rests on them and on its ID-JAGs
    DECIDE = "decide"  # what the event changes is taken over, and all access is decided anew
    RECORD = "record"  # nothing, but it is written down
    # Not to be chosen: they follow from the type.
    GIVE_BACK = "give_back"  # what this source's own word disabled
    ADDRESS = "address"  # the person's address changes, and all access is decided anew


CHOICES = (Action.END, Action.SESSIONS, Action.DECIDE, Action.RECORD)
# Those that count for the limit of an hour.
ENDING = frozenset({Action.END, Action.SESSIONS, Action.DECIDE})

# What is usual, and what may be chosen by the file and the console.
USUAL: Mapping[EventType, Action] = {
    EventType.SESSION_REVOKED: Action.SESSIONS,
    EventType.SESSIONS_REVOKED: Action.SESSIONS,
    EventType.TOKEN_CLAIMS_CHANGE: Action.DECIDE,
    EventType.CREDENTIAL_CHANGE: Action.SESSIONS,
    EventType.CREDENTIAL_COMPROMISE: Action.SESSIONS,
    EventType.DEVICE_COMPLIANCE_CHANGE: Action.SESSIONS,
    EventType.ASSURANCE_LEVEL_CHANGE: Action.RECORD,
    EventType.ACCOUNT_CREDENTIAL_CHANGE_REQUIRED: Action.SESSIONS,
    EventType.ACCOUNT_DISABLED: Action.END,
    EventType.ACCOUNT_PURGED: Action.END,
    EventType.ACCOUNT_ENABLED: Action.GIVE_BACK,
    EventType.IDENTIFIER_CHANGED: Action.ADDRESS,
    EventType.IDENTIFIER_RECYCLED: Action.ADDRESS,
}
CHOSEN = {event_type.short: event_type for event_type, action in USUAL.items() if action in CHOICES}
# What a stream is asked for.
REQUESTED = tuple(event_type.value for event_type in USUAL)


def action_of(event_type: EventType | None, members: Mapping[str, Any], chosen: Mapping[str, str]) -> Action:
    """`chosen` are the source's own choices: the short name of a type → an action."""
    if event_type is None or event_type not in USUAL or _is_good_news(event_type, members):
        return Action.RECORD
    if event_type in CHOSEN.values() and (own := chosen.get(event_type.short)) in CHOICES:
        return Action(own)
    return USUAL[event_type]


def _is_good_news(event_type: EventType, members: Mapping[str, Any]) -> bool:
    """Whether nothing is to be ended: a credential more, a device that complies again."""
    match event_type:
        case EventType.CREDENTIAL_CHANGE:
            return bool(members["change_type"] == CredentialChange.CREATE)
        case EventType.DEVICE_COMPLIANCE_CHANGE:
            return bool(members["current_status"] == Compliance.COMPLIANT)
    return False


@dataclass(frozen=True, slots=True)
class Limit:
    """How many people a source has ended the access of within the hour, and how many it may."""

    ended: int
    most: int
    is_counted: bool  # this person is among them

    @property
    def is_reached(self) -> bool:
        return not self.is_counted and self.ended >= self.most
