"""Polling (RFC 8936): acknowledged events go, others come again, and an answer waits no longer than it may."""

import time
from typing import Any

import pytest

from authz.conf import conf
from authz.database import concurrency
from authz.models import AuditEvent
from tests.xaa.company import Company
from tests.xaa.signals.receivers import Receiver, configure, verified
from xaa.models import SignalStream
from xaa.signals.sending import polling, statuses


@pytest.fixture
def notes(company: Company) -> Receiver:
    configure()
    found = Receiver(company)
    found.create()
    return found


def end(company: Company, times: int = 1) -> None:
    """So many authorizations of bob end, one after the other."""
    for _ in range(times):
        token = company.signed_in_tokens()["access_token"]
        company.post("revoke", {"token": token, "client_id": "desktop-app"})


def test_the_oldest_first_and_no_more_than_asked_for(company: Company, notes: Receiver) -> None:
    end(company, 3)
    everything = list(notes.poll().body["sets"])
    assert len(everything) == 3
    first = notes.poll(maxEvents=2)
    assert (list(first.body["sets"]), first.body["moreAvailable"]) == (everything[:2], True)
    # At least once: what was not acknowledged comes again, in the same order.
    assert list(notes.poll(maxEvents=2).body["sets"]) == everything[:2]
    then = notes.poll(maxEvents=2, ack=everything[:2])
    assert (list(then.body["sets"]), then.body["moreAvailable"]) == (everything[2:], False)
    assert notes.poll(ack=everything).body == {"sets": {}, "moreAvailable": False}
    assert notes.stream.sent == 3


def test_the_same_event_is_the_same_token_but_for_its_signature(company: Company, notes: Receiver) -> None:
    end(company)
    again = [verified(text, "notes-server") for _ in range(2) for text in notes.poll().body["sets"].values()]
    assert again[0] == again[1]


def test_no_events_and_an_acknowledgement_alone(company: Company, notes: Receiver) -> None:
    end(company, 2)
    found = list(notes.poll().body["sets"])
    assert notes.poll(maxEvents=0, ack=found[:1]).body == {"sets": {}, "moreAvailable": True}
    assert list(notes.poll().body["sets"]) == found[1:]


def test_what_a_receiver_cannot_take_is_recorded_and_goes(company: Company, notes: Receiver) -> None:
    end(company, 2)
    first, second = notes.poll().body["sets"]
    error = {"err": "authentication_failed", "description": "The key is\nunknown."}
    answer = notes.poll(setErrs={first: error})
    assert list(answer.body["sets"]) == [second]
    event = AuditEvent.objects.get(event="signals:event:refused")
    assert event.detail["jti"] == first
    assert event.detail["because"] == "authentication_failed: The key is unknown."
    assert (notes.stream.refused, notes.stream.sent) == (1, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"maxEvents": -1},
        {"maxEvents": True},
        {"maxEvents": "5"},
        {"returnImmediately": "yes"},
        {"ack": "x"},
        {"ack": ["x"] * 1001},
        {"setErrs": []},
        {"setErrs": {"x": "broken"}},
        {"setErrs": {"x": {"description": "no err"}}},
    ],
)
def test_wrong_polls_are_refused_and_acknowledge_nothing(
    company: Company, notes: Receiver, body: dict[str, Any]
) -> None:
    end(company)
    (jti,) = notes.poll().body["sets"]
    assert notes.poll(**{"ack": [jti], **body}).status == 400
    assert list(notes.poll().body["sets"]) == [jti]


@pytest.mark.parametrize("ack", [["unknown"], [5], [None], ["0" * 32], ["é" * 32]])
def test_what_is_no_event_of_the_stream_is_passed_over(company: Company, notes: Receiver, ack: list[object]) -> None:
    end(company)
    assert len(notes.poll(ack=ack).body["sets"]) == 1


class TestLongPolls:
    def test_it_is_answered_as_soon_as_there_is_something(
        self, company: Company, notes: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(polling, "LOOK", 0.0)
        looks: list[int] = []

        sleep = time.sleep

        def looked(seconds: float) -> None:
            # Others sleep, too: what waits for SQLite's write lock.
            if seconds != polling.LOOK:
                sleep(seconds)
                return
            looks.append(1)
            if len(looks) == 2:
                end(company)

        monkeypatch.setattr(time, "sleep", looked)
        assert len(notes.poll(returnImmediately=False).body["sets"]) == 1
        assert len(looks) == 2

    def test_it_waits_no_longer_than_it_may(self, notes: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(polling, "LONGEST", 0.05)
        monkeypatch.setattr(polling, "LOOK", 0.01)
        assert notes.poll(returnImmediately=False).body == {"sets": {}, "moreAvailable": False}

    def test_no_free_place_is_an_answer_at_once(self, notes: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        """Attack: receivers that wait take the threads that pages need."""
        monkeypatch.setattr(concurrency, "may_block", lambda party: False)
        began = time.monotonic()
        assert notes.poll(returnImmediately=False).body["sets"] == {}
        assert time.monotonic() - began < polling.LONGEST / 2


class TestAStreamThatHasStopped:
    def test_one_that_was_paused_for_silence_goes_on_when_it_is_polled(self, company: Company, notes: Receiver) -> None:
        end(company)
        SignalStream.objects.update(status="paused", changed_by=statuses.SERVER)
        kinds = [next(iter(verified(text, "notes-server")["events"])) for text in notes.poll().body["sets"].values()]
        assert [kind.rpartition("/")[2] for kind in kinds] == ["session-revoked", "stream-updated"]
        assert notes.stream.status == "enabled"

    def test_one_that_its_receiver_paused_does_not(self, company: Company, notes: Receiver) -> None:
        notes.status(status="paused")
        end(company)
        assert notes.poll().body["sets"] == {}

    def test_of_a_push_stream_nothing_is_handed_out(self, company: Company, notes: Receiver) -> None:
        delivery = {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://receiver.example.com/events"}
        notes.ask("PATCH", "streams", {"stream_id": notes.id, "delivery": delivery})
        end(company)
        assert notes.poll().status == 404


def test_the_issuer_is_as_the_configuration_says(company: Company, notes: Receiver) -> None:
    """> The "iss" claim MUST match the "iss" value in the Stream Configuration data (SSF 1.0 §4.1.6)"""
    end(company)
    (claims,) = notes.events()
    assert claims["iss"] == notes.ask("GET", "streams").body[0]["iss"] == conf.issuer
