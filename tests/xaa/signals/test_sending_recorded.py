"""The examples of SSF 1.0 §8.1 and CAEP 1.0 §3.1, as printed: requests and their answers, and events that are alike."""

from typing import Any

import pytest

from tests.xaa.company import Company
from tests.xaa.signals.receivers import SESSION_REVOKED, Receiver, configure
from tests.xaa.signals.test_sending_ends import switch

TYPES = [f"urn:example:secevent:events:type_{number}" for number in (2, 3, 4)]
DELIVERY = {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://receiver.example.com/events"}
DESCRIPTION = "Stream for Receiver A using events type_2, type_3, type_4"
STATE = "VGhpcyBpcyBhbiBleGFtcGxlIHN0YXRlIHZhbHVlLgo="
ID = "f67e39a0a4d34d56b3aa1bc4cff0069f"  # stands for the stream's

# In this order: figure, method, path, body, status, and what the answer has at least.
EXCHANGES: list[tuple[str, str, str, Any, int, Any]] = [
    (
        *("figcreatestreamreq", "POST", "streams"),
        {"delivery": DELIVERY, "events_requested": TYPES, "description": DESCRIPTION},
        201,
        {"delivery": DELIVERY, "events_requested": TYPES, "description": DESCRIPTION, "events_delivered": []},
    ),
    ("figreadconfigreq", "GET", f"streams?stream_id={ID}", None, 200, {"delivery": DELIVERY, "stream_id": ID}),
    (
        *("figupdateconfigreq", "PATCH", "streams"),
        {"stream_id": ID, "events_requested": TYPES, "description": "Stream for Receiver B"},
        200,
        {"delivery": DELIVERY, "description": "Stream for Receiver B"},
    ),
    (
        *("figreplaceconfigreq", "PUT", "streams"),
        {"stream_id": ID, "delivery": DELIVERY, "events_requested": TYPES, "description": "Stream for Receiver C"},
        200,
        {"delivery": DELIVERY, "description": "Stream for Receiver C"},
    ),
    ("figstatusreq", "GET", f"status?stream_id={ID}", None, 200, {"stream_id": ID, "status": "enabled"}),
    (
        *("figupdatestatusreq", "POST", "status"),
        {"stream_id": ID, "status": "paused"},
        200,
        {"stream_id": ID, "status": "paused"},
    ),
    (
        *("figupdatestatuswithreasonreq", "POST", "status"),
        {"stream_id": ID, "status": "paused", "reason": "Disabled by administrator action."},
        200,
        {"stream_id": ID, "status": "paused", "reason": "Disabled by administrator action."},
    ),
    (
        *("figaddreq", "POST", "subjects/add"),
        {"stream_id": ID, "subject": {"format": "email", "email": "example.user@example.com"}, "verified": True},
        200,
        None,
    ),
    (
        # Its format is none of RFC 9493, and no one is known by it.
        *("figremovereq", "POST", "subjects/remove"),
        {"stream_id": ID, "subject": {"format": "phone", "phone_number": "+12065550123"}},
        204,
        None,
    ),
    ("figverifyreq", "POST", "verification", {"stream_id": ID, "state": STATE}, 204, None),
    ("figdeletestreamreq", "DELETE", f"streams?stream_id={ID}", None, 204, None),
    ("figreadconfigrespnostreamidnostreams", "GET", "streams", None, 200, []),
]


@pytest.fixture
def notes(company: Company) -> Receiver:
    configure()
    return Receiver(company)


def test_the_examples_of_stream_management(notes: Receiver) -> None:
    for figure, method, path, body, status, expected in EXCHANGES:
        given = {**body, "stream_id": notes.id} if isinstance(body, dict) and "stream_id" in body else body
        found = notes.ask(method, path.replace(ID, notes.id), given)
        assert found.status == status, (figure, found.body)
        assert "no-store" in found.headers["Cache-Control"], figure
        if isinstance(expected, dict):
            notes.id = notes.id or found.body["stream_id"]
            shown = {name: notes.id if value == ID else value for name, value in expected.items()}
            assert {name: found.body[name] for name in shown} == shown, figure
        else:
            assert found.body == expected, figure


# CAEP 1.0, session-revoked-example-user-sub, and SSF 1.0, figverifyset.
REVOKED: dict[str, Any] = {
    "iss": "https://idp.example.com/123456789/",
    "jti": "24c63fb56e5a2d77a6b512616ca9fa24",
    "iat": 1615305159,
    "aud": "https://sp.example.com/caep",
    "txn": "8675309",
    "sub_id": {
        "format": "complex",
        "session": {"format": "opaque", "id": "dMTlD|1600802906337.16|16008.16"},
        "user": {
            "format": "iss_sub",
            "iss": "https://idp.example.com/123456789/",
            "sub": "99beb27c-c1c2-4955-882a-e0dc4996fcbc",
        },
        "tenant": {"format": "opaque", "id": "123456789"},
    },
    "events": {
        SESSION_REVOKED: {
            "initiating_entity": "policy",
            "reason_admin": {"en": "Landspeed Policy Violation: C076E82F"},
            "reason_user": {"en": "Access attempt from multiple regions."},
            "event_timestamp": 1615304991,
        }
    },
}


def test_an_event_is_like_the_one_of_the_text(company: Company, notes: Receiver) -> None:
    """The same members with values of the same types; we have no tenants, and write nothing for people."""
    notes.create()
    token = company.signed_in_tokens()["access_token"]
    switch("authorization", company.introspect(token)["authorization"])
    (ours,) = notes.events()
    assert shape(ours) == shape(REVOKED)
    subject, theirs = ours["sub_id"], REVOKED["sub_id"]
    assert {name: shape(subject[name]) for name in ("user", "session")} == {
        name: shape(theirs[name]) for name in ("user", "session")
    }
    event, example = ours["events"][SESSION_REVOKED], REVOKED["events"][SESSION_REVOKED]
    assert shape(event) == shape({name: value for name, value in example.items() if name != "reason_user"})


def shape(value: dict[str, Any]) -> dict[str, type]:
    return {name: type(member) for name, member in value.items()}
