"""The events of CAEP, RISC and SSF, with the members that their meaning rests on."""

from typing import Any

import pytest

from xaa.signals.event_types import (
    CREDENTIAL_TYPES,
    CredentialChange,
    EventMemberError,
    EventType,
    check,
    known,
    reason,
)
from xaa.signals.receiving.actions import Action, action_of

CREDENTIAL = {"credential_type": "fido2-roaming", "change_type": "create"}
RIGHT: list[tuple[EventType, dict[str, Any]]] = [
    (EventType.SESSION_REVOKED, {}),
    (EventType.SESSION_REVOKED, {"event_timestamp": 1615304991.5, "anything": [1], "initiating_entity": "robot"}),
    (EventType.TOKEN_CLAIMS_CHANGE, {"claims": {"role": "ro-admin"}}),
    (EventType.CREDENTIAL_CHANGE, CREDENTIAL),
    (EventType.CREDENTIAL_CHANGE, {**CREDENTIAL, "credential_type": "one that both ends know"}),
    (EventType.DEVICE_COMPLIANCE_CHANGE, {"current_status": "not-compliant", "previous_status": "compliant"}),
    (EventType.DEVICE_COMPLIANCE_CHANGE, {"current_status": "not-compliant"}),
    (EventType.IDENTIFIER_CHANGED, {}),
    (EventType.ACCOUNT_DISABLED, {"reason": "hijacking"}),
    (EventType.VERIFICATION, {"state": ""}),
    (EventType.STREAM_UPDATED, {"status": "paused", "reason": "Internal error"}),
]
WRONG: list[tuple[EventType, dict[str, Any], str]] = [
    (EventType.SESSION_REVOKED, {"event_timestamp": "2021"}, "event_timestamp"),
    (EventType.SESSION_REVOKED, {"event_timestamp": True}, "event_timestamp"),
    (EventType.SESSION_REVOKED, {"event_timestamp": -1}, "event_timestamp"),
    (EventType.TOKEN_CLAIMS_CHANGE, {}, "claims"),
    (EventType.TOKEN_CLAIMS_CHANGE, {"claims": {}}, "claims"),
    (EventType.CREDENTIAL_CHANGE, {"change_type": "create"}, "credential_type"),
    (EventType.CREDENTIAL_CHANGE, {**CREDENTIAL, "change_type": "stolen"}, "change_type"),
    (EventType.CREDENTIAL_CHANGE, {**CREDENTIAL, "change_type": ["create"]}, "change_type"),
    (EventType.DEVICE_COMPLIANCE_CHANGE, {"current_status": "lost"}, "current_status"),
    (EventType.DEVICE_COMPLIANCE_CHANGE, {"previous_status": "compliant"}, "current_status"),
    (EventType.IDENTIFIER_CHANGED, {"new-value": 7}, "new-value"),
    (EventType.VERIFICATION, {"state": 7}, "state"),
    (EventType.STREAM_UPDATED, {}, "status"),
]


@pytest.mark.parametrize(("event_type", "event"), RIGHT)
def test_an_event_is_as_its_definition_says(event_type: EventType, event: dict[str, Any]) -> None:
    check(event_type, event)


@pytest.mark.parametrize(("event_type", "event", "member"), WRONG)
def test_an_event_names_its_member_that_is_wrong(event_type: EventType, event: dict[str, Any], member: str) -> None:
    with pytest.raises(EventMemberError) as refused:
        check(event_type, event)
    assert refused.value.member == member


def test_a_type_is_its_uri_byte_for_byte() -> None:
    revoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
    assert known(revoked) is EventType.SESSION_REVOKED
    assert EventType.SESSION_REVOKED.short == "session-revoked"
    for other in (revoked + "/", revoked.upper(), "session-revoked", ""):
        assert known(other) is None


def test_a_reason_is_read_in_any_of_its_forms() -> None:
    assert reason({"reason_admin": {"de": "Zu schnell", "en": "Too fast"}}) == "Too fast"
    assert reason({"reason_admin": {"de": "Zu schnell"}}) == "Zu schnell"
    assert reason({"reason_admin": "Too fast"}) == "Too fast"
    for nothing in ({}, {"reason_admin": {}}, {"reason_admin": {"en": 7}}, {"reason_admin": [7]}):
        assert reason(nothing) == ""


@pytest.mark.parametrize("credential", [*CREDENTIAL_TYPES, "a type of theirs"])
@pytest.mark.parametrize("change", list(CredentialChange))
def test_each_credential_and_change_leads_to_the_same(credential: str, change: CredentialChange) -> None:
    """> Receivers MUST interpret all allowable values of this field. (CAEP interoperability §3.2)"""
    members = {"credential_type": credential, "change_type": change.value}
    check(EventType.CREDENTIAL_CHANGE, members)
    expected = Action.RECORD if change is CredentialChange.CREATE else Action.SESSIONS
    assert action_of(EventType.CREDENTIAL_CHANGE, members, {}) is expected
