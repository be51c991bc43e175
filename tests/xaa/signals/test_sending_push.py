"""Pushing (RFC 8935): at least once, each stream in order, and a receiver that is gone stops its own stream alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail

from authz.models import AuditEvent, Notification
from tests.support.document_host import DocumentHost, reply
from tests.support.races import at_once
from tests.xaa.company import Company
from tests.xaa.signals.receivers import PUSH, Receiver, configure, push_host, pushed, said, verified
from xaa.models import SignalEvent, SignalStream
from xaa.signals.sending import delivery, outbox

HEADER = "Bearer of-theirs"


@pytest.fixture
def host() -> Iterator[DocumentHost]:
    with push_host() as found:
        yield found


@pytest.fixture
def notes(company: Company, host: DocumentHost) -> Receiver:
    configure()
    found = Receiver(company)
    found.create(delivery={"method": PUSH, "endpoint_url": host.url("/events"), "authorization_header": HEADER})
    return found


def end(company: Company, times: int = 1) -> None:
    for _ in range(times):
        token = company.signed_in_tokens()["access_token"]
        company.post("revoke", {"token": token, "client_id": "desktop-app"})


def later(delay: timedelta) -> None:
    """As if so much time had passed."""
    for row in SignalStream.objects.all():
        for name in ("due", "claimed", "failing_since", "polled"):
            if getattr(row, name) is not None:
                setattr(row, name, getattr(row, name) - delay)
        row.save()
    for event in SignalEvent.objects.all():
        SignalEvent.objects.filter(pk=event.pk).update(created=event.created - delay)


def ids() -> list[str]:
    return [row.jti.hex for row in SignalEvent.objects.order_by("pk")]


def arrived(host: DocumentHost) -> list[str]:
    return [str(verified(text, "notes-server")["jti"]) for text in pushed(host)]


def test_events_arrive_in_order_each_in_a_request_of_its_own(
    company: Company, notes: Receiver, host: DocumentHost
) -> None:
    end(company, 3)
    expected = ids()
    delivery.run()
    assert arrived(host) == expected
    head = host.requests[0].partition("\r\n\r\n")[0].lower()
    assert head.startswith("post /events ")
    assert "content-type: application/secevent+jwt" in head
    assert "accept: application/json" in head
    assert f"authorization: {HEADER.lower()}" in head
    stream = notes.stream
    assert (ids(), stream.sent, stream.arrived is not None, stream.claimed) == ([], 3, True, None)


class TestFailures:
    @pytest.mark.parametrize("status", ["500 Oops", "503 Busy", "401 Unauthorized", "404 Not Found", "302 Found"])
    def test_the_same_comes_again_until_it_arrives(
        self, status: str, company: Company, notes: Receiver, host: DocumentHost
    ) -> None:
        end(company, 2)
        expected = ids()
        host.serve("/events", reply(b"", status=status))
        delivery.run()
        assert arrived(host) == expected[:1], "those behind it wait, so that the order stays"
        assert notes.stream.failing_since is not None
        delivery.run()
        assert len(host.requests) == 1, "it rests before the next attempt"
        host.serve("/events", reply(b"", status="202 Accepted"))
        later(timedelta(minutes=1))
        delivery.run()
        assert arrived(host) == [expected[0], *expected]
        assert (notes.stream.failing_since, notes.stream.failure, notes.stream.failures) == (None, "", 0)

    def test_a_worker_that_was_killed_is_followed_by_another(
        self, company: Company, notes: Receiver, host: DocumentHost
    ) -> None:
        """It had claimed the stream, and perhaps sent the event."""
        end(company, 1)
        assert delivery._claim(datetime.now(UTC))
        delivery.run()
        assert host.requests == [], "it may be at work still"
        later(delivery.CLAIM + timedelta(seconds=1))
        delivery.run()
        assert len(host.requests) == 1

    def test_one_who_lost_the_claim_writes_no_result(
        self, company: Company, notes: Receiver, host: DocumentHost
    ) -> None:
        end(company, 1)
        (stream,) = delivery._claim(datetime.now(UTC))
        attempt = delivery._next(stream, datetime.now(UTC))
        assert attempt is not None
        SignalStream.objects.update(claim=stream.claim + 1)
        assert delivery._record(attempt, OSError("late"), datetime.now(UTC)) is False
        assert notes.stream.failures == 0

    def test_an_event_that_is_refused_delays_the_others_a_little(
        self, company: Company, notes: Receiver, host: DocumentHost
    ) -> None:
        """RFC 8935 §2.3: 400 says that this event is not taken, and nothing of the next one."""
        end(company, 2)
        expected = ids()
        host.serve("/events", reply(b'{"err":"invalid_request"}', status="400 Bad Request"))
        for _ in range(delivery.OFFERS):
            delivery.run()
            later(timedelta(minutes=5))
        assert arrived(host)[: delivery.OFFERS] == expected[:1] * delivery.OFFERS
        host.serve("/events", reply(b"", status="202 Accepted"))
        delivery.run()
        assert arrived(host)[-1] == expected[1]
        assert notes.stream.refused == 1
        assert AuditEvent.objects.get(event="signals:event:refused").detail["jti"] == expected[0]

    def test_a_stream_that_cannot_be_served_stops_no_other(
        self, company: Company, notes: Receiver, host: DocumentHost
    ) -> None:
        payroll = Receiver(company, "payroll-server")
        payroll.create(delivery={"method": PUSH, "endpoint_url": host.url("/payroll")})
        host.serve("/payroll", reply(b"", status="500 Oops"))
        for receiver in (payroll, notes):
            assert receiver.ask("POST", "verification", {"stream_id": receiver.id}).status == 204
        SignalStream.objects.filter(receiver__name="Payroll").update(authorization=b"\x01unreadable")
        delivery.run()
        assert [said(verified(text, "notes-server"))[0] for text in pushed(host)] == ["verification"]
        assert payroll.stream.failure.startswith("Its authorization header cannot be read")


class TestDeadStreams:
    def test_a_day_without_success_pauses_it_and_tells_administrators(
        self, company: Company, notes: Receiver, host: DocumentHost
    ) -> None:
        host.serve("/events", reply(b"", status="500 Oops"))
        end(company)
        delivery.run()
        later(delivery.SILENCE + timedelta(minutes=1))
        delivery.run()
        assert (notes.stream.status, notes.stream.changed_by) == ("paused", "server")
        told = Notification.objects.get(kind="signal_stream.stopped")
        assert told.recipient is not None
        assert told.recipient.username == "alice"
        assert "Notes" in told.subject
        assert AuditEvent.objects.filter(event="signals:stream:changed", detail__status="paused").count() == 1
        assert not mail.outbox, "the mail goes with the others"
        # It goes on when its receiver says so, with what waited first.
        host.serve("/events", reply(b"", status="202 Accepted"))
        host.requests.clear()
        notes.status(status="enabled")
        delivery.run()
        assert [said(verified(text, "notes-server"))[0] for text in pushed(host)] == ["session-revoked"]

    def test_what_waits_for_too_long_is_dropped_and_the_stream_disabled(
        self, company: Company, notes: Receiver, host: DocumentHost
    ) -> None:
        notes.status(status="paused")
        end(company)
        later(outbox.LONGEST_WAIT + timedelta(minutes=1))
        delivery.run()
        stream = notes.stream
        assert (stream.status, stream.lost) == ("disabled", 1)
        assert [said(verified(text, "notes-server"))[2]["status"] for text in pushed(host)] == ["disabled"]

    def test_a_flood_is_bounded(self, company: Company, notes: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        """Attack: more ends than a receiver takes fill the disk."""
        monkeypatch.setattr(outbox, "MOST_WAITING", 2)
        end(company, 3)
        stream = notes.stream
        assert (stream.status, stream.lost) == ("disabled", 3)
        assert stream.reason.startswith("More waited than is kept.")
        assert stream.waiting.count() == 1, "what says that it was disabled"
        assert Notification.objects.filter(kind="signal_stream.stopped").exists()
        end(company)
        assert stream.waiting.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_nodes_at_once_send_each_event_once(company: Company, host: DocumentHost) -> None:
    configure()
    notes = Receiver(company)
    notes.create(delivery={"method": PUSH, "endpoint_url": host.url("/events")})
    end(company, 3)
    expected = ids()
    at_once([delivery.run for _ in range(3)])
    assert arrived(host) == expected
