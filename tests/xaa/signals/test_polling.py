"""Poll (RFC 8936): events are fetched, acknowledged, and no transmitter takes more than its turn."""

import time
from typing import Any

import pytest

from authz import registry
from authz.models import AuditEvent, PeriodicTask
from authz.operations import periodic
from authz.outbound import Cause, OutboundError
from tests.support.world import person
from tests.xaa.company import IDP, Company
from tests.xaa.signals.there import TOKEN, There, there
from tests.xaa.signals.transmitter import Transmitter, configure
from xaa.models import ReceivedSignal, SignalSource, SignalSourceState
from xaa.signals.event_types import EventType
from xaa.signals.receiving import inbox, polling

__all__ = ["there"]
DISABLED, SEEN = EventType.ACCOUNT_DISABLED, EventType.SESSION_PRESENTED


@pytest.fixture
def polled(okta: Transmitter, there: There) -> Transmitter:
    okta.source = configure(delivery="poll", poll_url=f"{IDP}/ssf/poll", token=TOKEN)
    return okta


def put(okta: Transmitter, there: There, event: EventType, count: int = 1, **changes: Any) -> None:
    for number in range(count):
        jti = f"{event.short}-{len(there.waiting)}-{number}"
        there.waiting[jti] = okta.set(event, jti=jti, **changes)


def state() -> SignalSourceState:
    return SignalSourceState.objects.get()


def test_events_are_fetched_and_acknowledged(polled: Transmitter, there: There) -> None:
    put(polled, there, SEEN)
    put(polled, there, DISABLED)
    assert polling.run() is False
    assert not person("bob").is_active
    assert there.waiting == {}
    assert there.polls[0] == {"maxEvents": 50, "returnImmediately": True}
    assert there.polls[1] == {"maxEvents": 0, "returnImmediately": True, "ack": list(there.polls[1]["ack"])}
    assert state().failures == 0
    assert state().due > time.time()
    polling.run()
    assert len(there.polls) == 2, "not before it is due"


def test_what_is_wrong_is_told_by_its_jti(polled: Transmitter, there: There) -> None:
    put(polled, there, SEEN, aud="https://elsewhere.example")
    put(polled, there, DISABLED)
    there.waiting["junk"] = "junk"
    polling.run()
    assert not person("bob").is_active
    errors = there.polls[-1]["setErrs"]
    assert {error["err"] for error in errors.values()} == {"invalid_audience", "invalid_request"}
    assert there.waiting == {}
    assert AuditEvent.objects.filter(event="signal:event:not_taken").count() == 2


def test_what_cannot_be_judged_now_is_not_acknowledged(
    polled: Transmitter, there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    from authz.protocol.errors import OAuthError
    from xaa.signals.receiving.reasons import SignalReason

    def away(*_: object) -> None:
        raise OAuthError(SignalReason.KEYS_UNAVAILABLE)

    put(polled, there, DISABLED)
    with monkeypatch.context() as patched:
        patched.setattr(inbox, "verified", away)
        polling.run()
    assert len(there.waiting) == 1
    SignalSourceState.objects.update(due=0)
    polling.run()
    assert not person("bob").is_active


def test_one_that_was_processed_before_a_crash_is_acknowledged_then(polled: Transmitter, there: There) -> None:
    put(polled, there, DISABLED)
    inbox.take(polled.source, next(iter(there.waiting.values())), time.time())
    polling.run()
    assert there.waiting == {}
    assert ReceivedSignal.objects.count() == 1


class TestStarvation:
    """Attack 41: a transmitter that never ends its turn."""

    def test_always_more(self, polled: Transmitter, there: There) -> None:
        there.always_more = True
        put(polled, there, SEEN, 4)
        assert polling.run() is False, "a poll without events ends the turn"
        assert len(there.polls) <= polling.POLLS_A_TURN + 1

    def test_more_than_a_turn_takes(self, polled: Transmitter, there: There, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(polling, "EVENTS_A_POLL", 2)
        put(polled, there, SEEN, 14)
        assert polling.run() is True
        assert len(there.polls) == polling.POLLS_A_TURN + 1
        assert len(there.waiting) == 4
        assert polling.run() is False
        assert there.waiting == {}

    def test_the_same_again_and_again(self, polled: Transmitter, there: There) -> None:
        there.keeps = there.always_more = True
        put(polled, there, SEEN, 3)
        assert polling.run() is False
        assert len(there.polls) == 3
        assert "again that were acknowledged" in state().failure

    def test_more_than_was_asked_for(self, polled: Transmitter, there: There, monkeypatch: pytest.MonkeyPatch) -> None:
        put(polled, there, SEEN, 5)
        monkeypatch.setattr(polling, "EVENTS_A_POLL", 3)
        monkeypatch.setattr(there, "_polled", lambda given: there._answer({"sets": there.waiting}))
        polling.run()
        assert ReceivedSignal.objects.count() == 3

    def test_the_budget_of_a_run(self, polled: Transmitter, there: There, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(polling, "BUDGET", -1.0)
        assert polling.run() is True
        assert there.polls == []

    def test_who_waited_longest_is_first(self, polled: Transmitter) -> None:
        configure(name="Second", delivery="poll", poll_url=f"{IDP}/ssf/poll", token=TOKEN)
        assert [row.name for row in polling.due(time.time())] == ["Okta", "Second"]
        SignalSourceState.objects.filter(source__name="Okta").update(due=time.time() - 1)
        assert [row.name for row in polling.due(time.time())] == ["Second", "Okta"]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OutboundError(Cause.TIMEOUT), "did not arrive in time"),
        (OutboundError(Cause.STATUS, status=401), "(401)"),
        (OutboundError(Cause.TOO_LARGE), "too large"),
    ],
)
def test_after_failures_it_is_asked_less_often(
    polled: Transmitter, there: There, failure: OutboundError, words: str
) -> None:
    there.failure = failure
    for _ in range(12):
        SignalSourceState.objects.update(due=0)
        assert polling.run() is False
    assert state().failures == 12
    assert words in state().failure
    assert polling.LONGEST_INTERVAL - 5 < state().due - time.time() <= polling.LONGEST_INTERVAL
    there.failure = None
    SignalSourceState.objects.update(due=0)
    polling.run()
    assert state().failures == 0


@pytest.mark.parametrize("changes", [{"enabled": False}, {"delivery": "push", "poll_url": ""}])
def test_who_is_not_polled(polled: Transmitter, there: There, changes: dict[str, Any]) -> None:
    configure(**({"delivery": "poll", "poll_url": f"{IDP}/ssf/poll"} | changes))
    polling.run()
    assert there.polls == []


def test_without_a_token_nothing_is_asked(company: Company, there: There) -> None:
    configure(delivery="poll", poll_url=f"{IDP}/ssf/poll")
    polling.run()
    assert there.polls == []
    assert "no token" in state().failure


def test_one_node_polls_at_a_time(polled: Transmitter, there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the lease of the task, as all scheduled tasks."""
    name = next(name for name, task in registry.periodic_tasks().items() if task is polling)
    monkeypatch.setattr(registry, "periodic_tasks", lambda: {name: polling})
    PeriodicTask.objects.create(name=name, lease_until=time.time() + 30, holder="another node")
    assert periodic.run_due() == []
    PeriodicTask.objects.update(lease_until=0)
    assert periodic.run_due() == [name]
    assert len(there.polls) == 1
    assert SignalSource.objects.count() == 1
