"""The stream management API, with the requests of SSF 1.0's examples (§7.1, §8.1)."""

import json
from datetime import timedelta
from typing import Any

import pytest

from authz.conf import conf
from authz.configuration import apply
from authz.models import AuditEvent
from tests.support.world import NOTES
from tests.xaa.company import Company
from tests.xaa.signals.receivers import (
    CREDENTIAL_CHANGE,
    POLL,
    PUSH,
    SESSION_REVOKED,
    VERIFICATION,
    Receiver,
    configure,
    push_host,
    said,
)
from xaa.models import SignalStream
from xaa.signals.sending import push

URL = "https://receiver.example.com/events"
OTHER_TYPES = ["urn:example:secevent:events:type_2", "urn:example:secevent:events:type_4"]


@pytest.fixture
def notes(company: Company) -> Receiver:
    configure()
    return Receiver(company)


def test_the_configuration_is_where_the_issuer_says(company: Company) -> None:
    """> inserting the string "/.well-known/ssf-configuration" into the Issuer (SSF 1.0 §7.2)"""
    found = company.browser.get("/.well-known/ssf-configuration/o")
    assert found.headers["Content-Type"] == "application/json"
    document = json.loads(found.content)
    assert (document["spec_version"], document["issuer"]) == ("1_0", conf.issuer)
    assert document["jwks_uri"] == conf.endpoint("jwks")
    assert set(document["delivery_methods_supported"]) == {PUSH, POLL}
    assert {"spec_urn": "urn:ietf:rfc:6749"} in document["authorization_schemes"]
    assert document["default_subjects"] == "ALL"
    for name in ("configuration", "status", "add_subject", "remove_subject", "verification"):
        assert document[f"{name}_endpoint"].startswith(conf.endpoint("ssf/"))
    # There are no tokens for it before it is registered.
    assert company.browser.get("/.well-known/oauth-protected-resource/o/ssf").status_code == 404
    configure()
    resource = json.loads(company.browser.get("/.well-known/oauth-protected-resource/o/ssf").content)
    assert "ES256" in resource["dpop_signing_alg_values_supported"]
    assert resource["dpop_bound_access_tokens_required"] is False
    assert (resource["resource"], resource["authorization_servers"]) == (conf.endpoint("ssf"), [conf.issuer])
    assert resource["scopes_supported"] == ["ssf.manage", "ssf.read"]


def test_a_stream_is_created_read_changed_replaced_and_deleted(notes: Receiver) -> None:
    assert notes.ask("GET", "streams").body == []
    made = notes.create(
        delivery={"method": PUSH, "endpoint_url": URL, "authorization_header": "Bearer of-theirs"},
        events_requested=[SESSION_REVOKED, *OTHER_TYPES],
        description="Stream for Receiver A",
    )
    assert made["delivery"] == {"method": PUSH, "endpoint_url": URL}, "the header is not read back"
    assert (made["iss"], made["aud"]) == (conf.issuer, "notes-server")
    assert made["events_supported"][:2] == [SESSION_REVOKED, CREDENTIAL_CHANGE]
    assert {one.rpartition("/")[2] for one in made["events_supported"][2:]} == {
        *("token-claims-change", "account-disabled", "account-enabled", "account-purged"),
    }
    assert made["events_requested"] == [SESSION_REVOKED, *OTHER_TYPES]
    assert made["events_delivered"] == [SESSION_REVOKED]
    assert notes.ask("GET", f"streams?stream_id={notes.id}").body == made
    assert notes.ask("GET", "streams").body == [made]
    # A PATCH changes what it names, and nothing else.
    changed = notes.ask("PATCH", "streams", {"stream_id": notes.id, "description": "Receiver B", "aud": made["aud"]})
    assert (changed.status, changed.body) == (200, {**made, "description": "Receiver B"})
    # A PUT takes away what it does not name; a missing delivery is poll.
    whole = notes.ask("PUT", "streams", {"stream_id": notes.id})
    assert whole.body["delivery"] == {"method": POLL, "endpoint_url": conf.endpoint(f"ssf/poll/{notes.id}")}
    assert not {"description", "events_requested"} & set(whole.body)
    assert whole.body["events_delivered"] == [SESSION_REVOKED, CREDENTIAL_CHANGE]
    deleted = notes.ask("DELETE", f"streams?stream_id={notes.id}")
    assert (deleted.status, "Content-Type" in deleted.headers) == (204, False)
    assert notes.ask("GET", f"streams?stream_id={notes.id}").status == 404
    events = AuditEvent.objects.filter(event__startswith="signals:stream").order_by("id")
    assert [one.event for one in events] == [
        "signals:stream:created",
        "signals:stream:changed",
        "signals:stream:changed",
        "signals:stream:deleted",
    ]


def test_a_second_stream_is_a_conflict(notes: Receiver) -> None:
    notes.create()
    assert notes.ask("POST", "streams", {}).status == 409


@pytest.mark.parametrize(
    "body",
    [
        {"delivery": {"method": "urn:ietf:rfc:9999"}},
        {"delivery": "push"},
        {"delivery": {"method": PUSH}},
        {"delivery": {"method": PUSH, "endpoint_url": "http://receiver.example.com/events"}},
        {"delivery": {"method": PUSH, "endpoint_url": "http://127.0.0.1:5432/"}},
        {"delivery": {"method": PUSH, "endpoint_url": URL, "authorization_header": "Bearer a\r\nX-Other: b"}},
        {"events_requested": SESSION_REVOKED},
        {"events_requested": [SESSION_REVOKED] * 101},
        {"description": 5},
    ],
)
def test_wrong_configurations_are_refused(notes: Receiver, body: dict[str, Any]) -> None:
    assert notes.ask("POST", "streams", body).status == 400
    assert not SignalStream.objects.exists()
    notes.create()
    before = notes.ask("GET", "streams").body
    assert notes.ask("PATCH", "streams", {"stream_id": notes.id, **body}).status == 400
    assert notes.ask("GET", "streams").body == before


def test_what_the_transmitter_says_is_not_changed(notes: Receiver) -> None:
    """> Transmitter-Supplied properties besides the stream_id […] MUST match the expected value."""
    notes.create()
    for name, value in {"aud": "another", "iss": "https://x.example", "events_delivered": []}.items():
        assert notes.ask("PATCH", "streams", {"stream_id": notes.id, name: value}).status == 400


def test_the_authorization_header_stays_at_its_address(notes: Receiver) -> None:
    """A receiver that writes what it read keeps its header; another address does not get it."""
    notes.create(delivery={"method": PUSH, "endpoint_url": URL, "authorization_header": "Bearer of-theirs"})
    notes.ask("PATCH", "streams", {"stream_id": notes.id, "delivery": {"method": PUSH, "endpoint_url": URL}})
    assert push.authorization(notes.stream) == "Bearer of-theirs"
    other = {"method": PUSH, "endpoint_url": "https://elsewhere.example.com/events"}
    notes.ask("PATCH", "streams", {"stream_id": notes.id, "delivery": other})
    assert push.authorization(notes.stream) == ""


class TestStatus:
    def test_it_is_read_and_set(self, notes: Receiver) -> None:
        notes.create()
        assert notes.status().body == {"stream_id": notes.id, "status": "enabled"}
        paused = notes.status(status="paused", reason="Disabled by administrator action.")
        expected = {"stream_id": notes.id, "status": "paused", "reason": "Disabled by administrator action."}
        assert (paused.status, paused.body, notes.status().body) == (200, expected, expected)
        for body in ({"status": "off"}, {"status": ["paused"]}, {"status": "paused", "reason": 5}):
            assert notes.status(**body).status == 400

    def test_a_paused_stream_keeps_and_a_disabled_one_drops(self, company: Company, notes: Receiver) -> None:
        notes.create()
        for status, kept in (("paused", 1), ("disabled", 0)):
            notes.status(status=status)
            company.signed_in_tokens()
            token = company.signed_in_tokens()["access_token"]
            company.post("revoke", {"token": token, "client_id": "desktop-app"})
            assert notes.events() == [], "a stream that has stopped transmits nothing"
            assert notes.stream.waiting.count() == kept
        notes.status(status="enabled")
        assert notes.events() == []


class TestVerification:
    def test_the_state_comes_back(self, notes: Receiver) -> None:
        notes.create(events_requested=[])
        asked = notes.ask("POST", "verification", {"stream_id": notes.id, "state": "VGhpcyBpcyBhbiBleGFtcGxl"})
        assert asked.status == 204
        (claims,) = notes.events()
        assert claims["sub_id"] == {"format": "opaque", "id": notes.id}
        assert claims["events"] == {VERIFICATION: {"state": "VGhpcyBpcyBhbiBleGFtcGxl"}}

    def test_too_often_is_too_often(self, notes: Receiver) -> None:
        notes.create()
        assert notes.ask("POST", "verification", {"stream_id": notes.id}).status == 204
        again = notes.ask("POST", "verification", {"stream_id": notes.id})
        assert (again.status, "Retry-After" in again.headers) == (429, True)
        stream = notes.stream
        stream.verified -= timedelta(seconds=11)  # type: ignore[operator]
        stream.save()
        assert notes.ask("POST", "verification", {"stream_id": notes.id}).status == 204

    @pytest.mark.parametrize("state", [5, "x" * 1025, ["a"]])
    def test_a_state_is_a_text(self, notes: Receiver, state: object) -> None:
        notes.create()
        assert notes.ask("POST", "verification", {"stream_id": notes.id, "state": state}).status == 400


class TestSubjects:
    def test_one_who_is_removed_is_not_told_of_until_added_again(self, company: Company, notes: Receiver) -> None:
        notes.create()
        token = company.signed_in_tokens()["access_token"]
        subject = {"format": "iss_sub", "iss": conf.issuer, "sub": company.introspect(token)["sub"]}
        assert notes.ask("POST", "subjects/remove", {"stream_id": notes.id, "subject": subject}).status == 204
        company.post("revoke", {"token": token, "client_id": "desktop-app"})
        assert notes.events() == []
        assert notes.ask("POST", "subjects/add", {"stream_id": notes.id, "subject": subject}).status == 200
        token = company.signed_in_tokens()["access_token"]
        company.post("revoke", {"token": token, "client_id": "desktop-app"})
        assert [said(claims)[0] for claims in notes.events()] == ["session-revoked"]

    def test_the_answer_does_not_say_who_is_here(self, notes: Receiver) -> None:
        """Attack: a receiver probes for people. (SSF 1.0 §9.1)"""
        notes.create()
        for address in ("bob@example.com", "no-such-person@example.com"):
            body = {"stream_id": notes.id, "subject": {"format": "email", "email": address}, "verified": True}
            found = notes.ask("POST", "subjects/add", body)
            assert (found.status, found.body) == (200, None)

    @pytest.mark.parametrize("subject", [None, "bob", {"format": "email"}, {"format": "complex"}])
    def test_no_subject_is_refused(self, notes: Receiver, subject: object) -> None:
        notes.create()
        for path in ("subjects/add", "subjects/remove"):
            assert notes.ask("POST", path, {"stream_id": notes.id, "subject": subject}).status == 400


class TestMadeByAdministrators:
    def test_the_stream_is_there_and_stays_as_they_say(self, company: Company, notes: Receiver) -> None:
        with push_host() as host:
            url = host.url("/events")
            apply(
                f"signal_receivers: [{{name: Notes, client_id: notes-server, resources: ['{NOTES}'],"
                f" push_url: '{url}', push_authorization: Bearer of-theirs}}]"
            )
            (stream,) = notes.ask("GET", "streams").body
            notes.id = stream["stream_id"]
            assert stream["delivery"] == {"method": PUSH, "endpoint_url": url}
            assert push.authorization(notes.stream) == "Bearer of-theirs"
            other = {"method": POLL}
            assert notes.ask("PATCH", "streams", {"stream_id": notes.id, "delivery": other}).status == 403
            assert notes.ask("DELETE", f"streams?stream_id={notes.id}").status == 403
            assert notes.ask("PATCH", "streams", {"stream_id": notes.id, "description": "x"}).status == 200
            # Attack: one who may change receivers sends another system's secret elsewhere.
            elsewhere = url.replace("/events", "/others")
            with pytest.raises(Exception, match="is needed again"):
                apply(
                    f"signal_receivers: [{{name: Notes, client_id: notes-server, resources: ['{NOTES}'],"
                    f" push_url: '{elsewhere}'}}]"
                )
