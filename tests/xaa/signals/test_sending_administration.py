"""Receivers of signals in the file, the console and `doctor`, and their limits."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.test import override_settings

from authz.configuration import ConfigurationError, apply, export
from authz.keys import secrets_at_rest
from authz.models import AuditEvent
from tests.support.world import NOTES, hidden_fields
from tests.xaa.company import CHAT, Company
from tests.xaa.signals.receivers import Receiver, configure, push_host, waiting
from xaa.models import SignalEvent, SignalReceiver, SignalStream
from xaa.signals.sending import delivery, doctor, push, statuses

PUSHED = "https://receiver.example.com/events"
FIXED = f"""
signal_receivers:
  - name: Fixed
    resources: ["{NOTES}"]
    authorization_servers: ["{CHAT}"]
    subject: email
    audience: https://receiver.example.com
    push_url: {PUSHED}
    push_authorization: Bearer of-theirs
"""


@pytest.fixture
def notes(company: Company) -> Receiver:
    configure()
    found = Receiver(company)
    found.create()
    return found


def test_the_file_comes_back_without_the_secret(company: Company) -> None:
    apply(FIXED)
    row = SignalReceiver.objects.get()
    assert push.authorization(row) == push.authorization(row.stream) == "Bearer of-theirs"
    assert b"of-theirs" not in bytes(row.push_authorization) + bytes(row.stream.authorization)
    text = export()
    assert "of-theirs" not in text
    assert PUSHED in text
    assert not apply(FIXED, dry_run=True)
    apply("signal_receivers: []", prune=True, prune_all=True)
    assert not SignalStream.objects.exists()


@pytest.mark.parametrize(
    "text, problem",
    [
        (f"{{name: A, resources: ['{NOTES}']}}", "client_id"),
        ("{name: A, client_id: notes-server}", "resources"),
        (f"{{name: A, client_id: no-such-agent, resources: ['{NOTES}']}}", "there is no agent"),
        ("{name: A, client_id: notes-server, resources: ['https://unknown.example']}", "resources"),
        (f"{{name: A, push_url: 'http://10.0.0.1/', resources: ['{NOTES}']}}", "push_url"),
        (f"{{name: A, client_id: notes-server, push_authorization: x, resources: ['{NOTES}']}}", "push_authorization"),
        (f"{{name: A, client_id: notes-server, subject: phone, resources: ['{NOTES}']}}", "subject"),
    ],
)
def test_wrong_receivers_are_refused(company: Company, text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        apply(f"signal_receivers: [{text}]")


def test_a_client_is_one_receiver(company: Company) -> None:
    configure()
    with pytest.raises(ConfigurationError, match="another receiver"):
        apply(f"signal_receivers: [{{name: Twin, client_id: notes-server, resources: ['{NOTES}']}}]")


def test_the_headers_move_to_a_new_secret_key(company: Company, settings: Any) -> None:
    apply(FIXED)
    before = settings.SECRET_KEY
    with override_settings(SECRET_KEY="n" * 64, SECRET_KEY_FALLBACKS=[before]):
        for at_rest in (push.AT_REST, push.RECEIVERS_AT_REST):
            row = at_rest.model.objects.get()
            moved = at_rest.moved(row)
            assert moved is not None
            setattr(row, at_rest.column, moved)
            row.save()
    with override_settings(SECRET_KEY="n" * 64):
        assert push.authorization(SignalReceiver.objects.get()) == "Bearer of-theirs"
    assert secrets_at_rest.secrets()[0] == before


class TestConsole:
    @pytest.fixture
    def browser(self, company: Company) -> Browser:
        company.sign_in("alice")
        return company.browser

    def test_a_receiver_is_added_with_a_fixed_address(self, browser: Browser) -> None:
        with push_host() as host:
            address = "/console/xaa/signalreceiver/add/"
            form = hidden_fields(browser.get(address))
            form |= {"name": "Notes", "enabled": "on", "resources": NOTES, "subject": "iss_sub"}
            wrong = browser.post(
                address, {**form, "resources": "https://unknown.example", "push_url": host.url("/events")}
            )
            assert b"There is no MCP server" in wrong.content
            form |= {"push_url": host.url("/events"), "push_header": "Bearer of-theirs"}
            assert browser.post(address, form).status_code == 302
            row = SignalReceiver.objects.get()
            assert push.authorization(row.stream) == "Bearer of-theirs"
            page = browser.get(f"/console/xaa/signalreceiver/{row.pk}/change/").content
            assert b"of-theirs" not in page
            # Left empty it stays; at another address it goes.
            change = f"/console/xaa/signalreceiver/{row.pk}/change/"
            kept = {**form, "push_header": ""}
            assert browser.post(change, hidden_fields(browser.get(change)) | kept).status_code == 302
            assert push.authorization(SignalStream.objects.get()) == "Bearer of-theirs"
            moved = {**kept, "push_url": host.url("/others")}
            assert browser.post(change, hidden_fields(browser.get(change)) | moved).status_code == 302
            assert push.authorization(SignalStream.objects.get()) == ""

    def test_a_stopped_stream_is_a_task_and_is_switched_on_again(self, browser: Browser, notes: Receiver) -> None:
        SignalStream.objects.update(status="paused", changed_by=statuses.SERVER, reason=statuses.SILENT)
        assert b"1 receiver is not told when access ends" in browser.get("/console/").content
        row = SignalReceiver.objects.get(name="Notes")
        address = f"/console/xaa/signalreceiver/{row.pk}/status/"
        assert browser.post(address, hidden_fields(browser.get(address))).status_code == 302
        assert notes.stream.status == "enabled"
        assert [one.event_type.rpartition("/")[2] for one in waiting("Notes")] == ["stream-updated"]
        event = AuditEvent.objects.get(event="signals:stream:changed")
        assert (event.detail["by"], event.detail["was"]) == ("alice", "paused")

    def test_an_auditor_changes_nothing(self, company: Company, notes: Receiver) -> None:
        apply("users: [{username: bob, email: bob@example.com, groups: [engineering], role: auditor}]")
        company.sign_in("bob")
        row = SignalReceiver.objects.get(name="Notes")
        assert company.browser.get(f"/console/xaa/signalreceiver/{row.pk}/status/").status_code == 403


class TestDoctor:
    def texts(self) -> list[str]:
        return [f"{one.level} {one.says}" for one in doctor.receivers() if "Notes" in one.says]

    def test_it_tells_of_streams_that_do_not_work(self, company: Company) -> None:
        configure()
        assert "has made no stream yet" in self.texts()[0]
        notes = Receiver(company)
        notes.create()
        assert self.texts() == []
        now = datetime.now(UTC)
        SignalStream.objects.update(failing_since=now, failure="The host did not accept a connection.")
        assert "did not accept" in self.texts()[0]
        SignalStream.objects.update(status="paused", changed_by=statuses.SERVER, reason=statuses.SILENT)
        assert "is paused: Nothing arrived for a day." in self.texts()[0]
        SignalStream.objects.update(status="disabled", reason=statuses.OVERFLOWED)
        assert "told nothing" in self.texts()[0]
        # What its receiver wants is no fault.
        SignalStream.objects.update(status="paused", changed_by=statuses.RECEIVER, failing_since=None)
        assert self.texts() == []


def test_the_metrics_say_what_waits_and_what_fails(company: Company, notes: Receiver) -> None:
    assert [value for _, value in delivery.measures().values()] == [0.0, 0]
    notes.ask("POST", "verification", {"stream_id": notes.id})
    SignalEvent.objects.update(created=datetime.now(UTC) - timedelta(hours=1))
    SignalStream.objects.update(failing_since=datetime.now(UTC))
    lag, failing = (value for _, value in delivery.measures().values())
    assert lag > 3500
    assert failing == 1


def test_a_poll_that_was_never_made_pauses_the_stream(company: Company, notes: Receiver) -> None:
    notes.ask("POST", "verification", {"stream_id": notes.id})
    SignalEvent.objects.update(created=datetime.now(UTC) - delivery.SILENCE - timedelta(minutes=1))
    delivery.run()
    assert (notes.stream.status, notes.stream.changed_by) == ("paused", "server")


def test_too_many_requests_are_answered_429(company: Company, notes: Receiver, settings: Any) -> None:
    limits = {**settings.GATEHOUSE["RATE_LIMITS"], "ssf:receiver": "2/minute"}
    with override_settings(GATEHOUSE={**settings.GATEHOUSE, "RATE_LIMITS": limits}):
        answers = [notes.ask("GET", "streams").status for _ in range(3)]
    assert answers[-1] == 429
    assert json.dumps(answers).count("200") >= 1
