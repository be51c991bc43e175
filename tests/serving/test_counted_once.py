"""A request that leaves the event loop and begins again in a thread counts once: for limits, metrics and the audit."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import OperationalError, connections

from authz import audit
from authz.conf import conf
from authz.database import concurrency
from authz.endpoints.machine import json_response, machine_endpoint
from authz.limits import rate_limits, refusal_sampling
from authz.models import AuditEvent
from authz.protocol.errors import OAuthError, Reason
from authz.serving import asgi, wsgi
from authz.telemetry import metrics
from tests.serving.test_asgi import ask, scope
from tests.support.world import World

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/event-loop-test"


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A thread of the test's own, whose connection is closed before the database is gone."""
    with ThreadPoolExecutor(1, thread_name_prefix="thread") as pool:
        monkeypatch.setattr(asgi, "_threads", pool)
        monkeypatch.setattr(asgi, "_locked", {})
        yield
        pool.submit(connections.close_all).result()


@pytest.fixture
def limits(settings: Any) -> Callable[..., None]:
    def set_to(**rates: str) -> None:
        named = {name.replace("__", ":"): rate for name, rate in rates.items()}
        settings.GATEHOUSE = settings.GATEHOUSE | {"RATE_LIMITS": settings.GATEHOUSE["RATE_LIMITS"] | named}

    return set_to


def plug(monkeypatch: pytest.MonkeyPatch, view: Callable[[Any], Any]) -> None:
    machine = machine_endpoint("GET", name="token", refused=audit.Event.TOKEN_REFUSED)
    monkeypatch.setitem(wsgi.MACHINES, PATH, machine(view).answer)


def locked() -> OperationalError:
    failure = sqlite3.OperationalError("database is locked")
    failure.sqlite_errorcode = sqlite3.SQLITE_BUSY
    raised = OperationalError("database is locked")
    raised.__cause__ = failure
    return raised


def lock_in_the_loop() -> None:
    if concurrency.is_in_event_loop():
        raise locked()


def wait_for_the_network() -> None:
    concurrency.may_block()


@pytest.mark.parametrize("leave", [lock_in_the_loop, wait_for_the_network])
class TestCountedOnce:
    @pytest.mark.parametrize(
        ("limit", "spend"),
        [
            ("token__address", lambda: rate_limits.admit("a")),
            ("token__client", lambda: rate_limits.proven("a", is_confidential=True)),
            ("token__client", lambda: rate_limits.proven("a", is_confidential=False)),
        ],
        ids=["an address", "a client", "a public client"],
    )
    def test_limits_count_once(
        self,
        monkeypatch: pytest.MonkeyPatch,
        limits: Any,
        limit: str,
        spend: Callable[[], None],
        leave: Callable[[], None],
    ) -> None:
        limits(**{limit: "4/minute"})

        def view(request: Any) -> Any:
            spend()
            leave()
            return json_response({})

        plug(monkeypatch, view)
        statuses = []
        for _ in range(5):
            asgi._locked.clear()
            statuses.append(ask(scope())[0])
        assert statuses == [200] * 4 + [429]

    def test_a_refusal(self, monkeypatch: pytest.MonkeyPatch, limits: Any, leave: Callable[[], None]) -> None:
        limits(refused__address="4/minute")
        taken = []
        take = refusal_sampling._budget.take
        monkeypatch.setattr(refusal_sampling._budget, "take", lambda *of: taken.append(of) or take(*of))
        record = audit.record

        def record_unless_locked(*arguments: Any, **more: Any) -> Any:
            leave()
            return record(*arguments, **more)

        monkeypatch.setattr(audit, "record", record_unless_locked)
        before = metrics.REFUSALS.cells.get(("token:access:refused", "client_unknown"), [0.0])[0]

        def view(request: Any) -> Any:
            rate_limits.admit()
            raise OAuthError(Reason.CLIENT_UNKNOWN)

        plug(monkeypatch, view)
        statuses = []
        for _ in range(6):
            asgi._locked.clear()
            statuses.append(ask(scope())[0])
        assert statuses == [401] * 5 + [429]
        assert len(taken) == 6
        assert AuditEvent.objects.filter(reason="client_unknown").count() == 5
        assert metrics.REFUSALS.cells["token:access:refused", "client_unknown"][0] - before == 5

    def test_an_answer(self, monkeypatch: pytest.MonkeyPatch, leave: Callable[[], None]) -> None:
        def view(request: Any) -> Any:
            metrics.TOKENS.add("other", "issued")
            metrics.POLICY_SECONDS.observe(0.001)
            leave()
            return json_response({})

        plug(monkeypatch, view)
        before = numbers()
        assert ask(scope())[0] == 200
        after = numbers()
        assert [now - then for now, then in zip(after, before, strict=True)] == [1.0, 1.0, 1.0]


def numbers() -> list[float]:
    return [
        metrics.TOKENS.cells.get(("other", "issued"), [0.0])[0],
        sum(metrics.POLICY_SECONDS.cells.get((), [0.0])[:-1]),
        metrics.RESPONSES.cells.get(("token", 200), [0.0])[0],
    ]


class TestALock:
    def test_after_many_locks_further_requests_begin_in_a_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If each tried the lock itself, all others would wait for milliseconds each time."""
        begun = []

        def view(request: Any) -> Any:
            begun.append(concurrency.is_in_event_loop())
            lock_in_the_loop()
            return json_response({})

        plug(monkeypatch, view)
        assert {ask(scope())[0] for _ in range(asgi.MAXIMUM_LOCKED + 3)} == {200}
        assert begun == [True, False] * asgi.MAXIMUM_LOCKED + [False] * 3

    def test_a_wait_for_the_network_does_not_send_other_requests_to_threads(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun = []

        def view(request: Any) -> Any:
            begun.append(concurrency.is_in_event_loop())
            concurrency.may_block()
            return json_response({})

        plug(monkeypatch, view)
        assert {ask(scope())[0] for _ in range(2)} == {200}
        assert begun == [True, False, True, False]

    def test_where_all_places_are_taken_it_is_answered_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        taken = concurrency._places()
        monkeypatch.setattr(concurrency, "_places", lambda: taken)
        places = 0
        while taken.acquire(blocking=False):
            places += 1
        try:
            plug(monkeypatch, lambda request: lock_in_the_loop() or json_response({}))
            status, headers, _ = ask(scope())
        finally:
            for _ in range(places):
                taken.release()
        assert status == 503 and int(headers["retry-after"]) >= 1


def test_an_unknown_client_that_meets_a_lock_is_recorded_once(
    committed_gatehouse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = audit.record

    def record_unless_locked(*arguments: Any, **more: Any) -> Any:
        lock_in_the_loop()
        return record(*arguments, **more)

    monkeypatch.setattr(audit, "record", record_unless_locked)
    form = urlencode({"grant_type": "client_credentials", "client_id": "nobody"}).encode()
    kind = (b"content-type", b"application/x-www-form-urlencoded")
    assert ask(scope("POST", f"{conf.issuer_path}/token".encode(), (kind,)), form)[0] == 401
    assert AuditEvent.objects.filter(event="token:access:refused").count() == 1
