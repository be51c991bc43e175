"""ASGI answers as WSGI does: in the event-loop thread, or in another thread where a request has to wait."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connections
from django.http import HttpResponse, StreamingHttpResponse

from authz.database import concurrency, replay
from authz.endpoints.machine import json_response, machine_endpoint
from authz.models import AuditEvent
from authz.serving import asgi, wsgi

pytestmark = pytest.mark.django_db(transaction=True)  # threads have connections of their own
PATH = "/event-loop-test"
ENDED = {"type": "http.disconnect"}
Answer = tuple[int, dict[str, str], bytes]


def scope(method: str = "GET", target: bytes = PATH.encode(), headers: tuple[tuple[bytes, bytes], ...] = ()) -> Any:
    raw, _, query = target.partition(b"?")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "raw_path": raw,
        "query_string": query,
        "headers": [(b"host", b"127.0.0.1"), *headers],
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.7", 40000),
    }


def ask(asked: Any, *body: bytes, ends: bool = True) -> Answer:
    """One request; the body in pieces, and without the last one where it does not `end`."""
    pieces = [{"type": "http.request", "body": piece, "more_body": True} for piece in body[:-1] if ends or piece]
    last = {"type": "http.request", "body": body[-1] if body else b"", "more_body": False}
    incoming = iter([*pieces, last if ends else ENDED])
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if (message := next(incoming, None)) is None:
            await asyncio.sleep(60)  # a reader who stays
        return message or ENDED

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    asyncio.run(asgi.application(asked, receive, send))
    assert told, "no answer"
    start, *chunks = told
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, b"".join(chunk["body"] for chunk in chunks)


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A thread of the test's own, whose connection is closed before the database is gone."""
    with ThreadPoolExecutor(1, thread_name_prefix="thread") as pool:
        monkeypatch.setattr(asgi, "_threads", pool)
        yield
        pool.submit(connections.close_all).result()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Install a machine endpoint of the test."""

    def plug(view: Any) -> None:
        monkeypatch.setitem(wsgi.MACHINES, PATH, machine_endpoint("GET", "HEAD", "POST")(view).answer)

    return plug


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Install a page of the test."""

    def plug(page: Any) -> None:
        def application(environ: Any, start_response: Any) -> Any:
            response = page(environ)
            start_response(f"{response.status_code} …", list(response.items()))
            return response

        monkeypatch.setattr("authz.serving.wsgi.people", application)

    return plug


class TestTheEventLoopThread:
    def test_machine_endpoints_are_served_in_the_event_loop_thread(self, machine: Callable[[Any], None]) -> None:
        threads = []
        machine(lambda request: threads.append(threading.current_thread()) or json_response({}))
        status, headers, body = ask(scope())
        assert (status, body, headers["content-length"]) == (200, b"{}", "2")
        assert threads == [threading.current_thread()]

    def test_a_request_that_must_wait_begins_again_in_a_thread_with_the_same_body_and_id(
        self, machine: Callable[[Any], None]
    ) -> None:
        begun = []

        def view(request: Any) -> Any:
            begun.append((threading.current_thread(), request.body, request.META["gatehouse.request_id"]))
            assert concurrency.may_block() is True
            return json_response({"waited": True})

        machine(view)
        assert ask(scope("POST"), b"a=", b"b")[2] == b'{"waited":true}'
        (first, *seen), (second, *seen_again) = begun
        assert first is threading.current_thread() is not second
        assert seen == seen_again and seen[0] == b"a=b"

    def test_a_request_that_begins_again_keeps_its_claims_and_no_other_request_has_them(
        self, machine: Callable[[Any], None]
    ) -> None:
        def view(request: Any) -> Any:
            claimed = replay.claim("client:agent", "once", time.time() + 60)
            concurrency.may_block()
            again = replay.claim("client:agent", "another", time.time() + 60)
            return json_response({"claimed": claimed, "again": again})

        machine(view)
        assert ask(scope())[2] == b'{"claimed":true,"again":true}'
        assert ask(scope())[2] == b'{"claimed":false,"again":false}'

    def test_one_request_cannot_claim_the_same_twice(self, machine: Callable[[Any], None]) -> None:
        def view(request: Any) -> Any:
            return json_response({"claims": [replay.claim("issuer", "once", time.time() + 60) for _ in range(2)]})

        machine(view)
        assert ask(scope())[2] == b'{"claims":[true,false]}'

    def test_nor_can_one_that_begins_again(self, machine: Callable[[Any], None]) -> None:
        """Attack: one assertion for two things that one request asks for, where a wait comes in between."""

        def view(request: Any) -> Any:
            claims = [replay.claim("issuer", "once", time.time() + 60)]
            concurrency.may_block()
            return json_response({"claims": [*claims, replay.claim("issuer", "once", time.time() + 60)]})

        machine(view)
        assert ask(scope())[2] == b'{"claims":[true,false]}'

    def test_a_head_request_has_no_body(self, machine: Callable[[Any], None]) -> None:
        machine(lambda request: json_response({"a": 1}))
        assert ask(scope("HEAD"))[2] == b""

    def test_a_refusal_is_recorded_with_the_clients_address(self) -> None:
        form = urlencode({"grant_type": "client_credentials", "client_id": "nobody"}).encode()
        kind = (b"content-type", b"application/x-www-form-urlencoded")
        status, _, body = ask(scope("POST", b"/o/token", (kind,)), form)
        assert (status, body[:25]) == (401, b'{"error":"invalid_client"')
        assert AuditEvent.objects.get(event="token:access:refused").address == "192.0.2.7"


class TestPages:
    def test_they_are_served_in_a_thread(self, people: Callable[[Any], None]) -> None:
        threads = []
        people(lambda environ: threads.append(threading.current_thread().name) or HttpResponse(b"page"))
        assert ask(scope())[2] == b"page"
        assert threads[0].startswith("thread")

    def test_a_download_is_sent_while_it_is_made_and_closed_in_the_end(self, people: Callable[[Any], None]) -> None:
        closed = []

        def rows() -> Iterator[bytes]:
            try:
                yield from (b"one,", b"two")
            finally:
                closed.append(True)

        people(lambda environ: StreamingHttpResponse(rows()))
        status, headers, body = ask(scope())
        assert (status, body, closed) == (200, b"one,two", [True])
        assert "content-length" not in headers


class TestBodies:
    """Attack: unauthenticated clients send long bodies to fill the memory."""

    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(asgi, "MAXIMUM_MACHINE_BODY", 4)
        monkeypatch.setattr(asgi, "MAXIMUM_BODY", 10)

    def test_a_body_too_long_for_a_machine_endpoint_is_not_read_on(self, machine: Callable[[Any], None]) -> None:
        bodies = []
        machine(lambda request: bodies.append(request.body) or json_response({}))
        ask(scope("POST"), b"four", b"!", b"and more", b"and more")
        assert bodies == [b"four!"]

    def test_a_long_body_is_read_and_an_endless_one_is_dropped(self, people: Callable[[Any], None]) -> None:
        bodies = []
        people(lambda environ: bodies.append(environ["wsgi.input"].read()) or HttpResponse())
        assert ask(scope("POST"), b"at once ")[0] == 200
        assert ask(scope("POST"), b"ten in", b" all")[0] == 200
        assert ask(scope("POST"), b"eleven ", b"in a", b"ll")[0] == 413
        assert bodies == [b"at once ", b"ten in all"]

    def test_only_a_few_long_bodies_are_held_at_once(self, people: Callable[[Any], None]) -> None:
        people(lambda environ: HttpResponse())
        answers: list[int] = []

        async def one(body: bytes, may_go_on: asyncio.Event | None = None) -> None:
            pieces = iter([body, b"."])

            async def receive() -> dict[str, Any]:
                piece = next(pieces)
                if piece == b"." and may_go_on:
                    await may_go_on.wait()
                return {"type": "http.request", "body": piece, "more_body": piece != b"."}

            async def send(message: dict[str, Any]) -> None:
                answers.extend([message["status"]] if "status" in message else [])

            await asgi.application(scope("POST"), receive, send)

        async def many() -> None:
            may_go_on = asyncio.Event()
            slow = [asyncio.create_task(one(b"a long", may_go_on)) for _ in range(asgi.MAXIMUM_LONG)]
            await asyncio.sleep(0)
            await one(b"a long")
            await one(b"abc")
            may_go_on.set()
            await asyncio.gather(*slow)
            await one(b"a long")

        asyncio.run(many())
        assert answers == [503, 200, *[200] * asgi.MAXIMUM_LONG, 200]


class TestTheEnvironment:
    @pytest.fixture
    def seen(self, people: Callable[[Any], None]) -> dict[str, Any]:
        environ: dict[str, Any] = {}
        people(lambda found: environ.update(found, body=found["wsgi.input"].read()) or HttpResponse())
        return environ

    def test_path_and_query_are_as_pep_3333_has_them(self, seen: dict[str, Any]) -> None:
        ask(scope(target=b"/a%2Fb/%C3%A9/%ff?q=%zz"))
        assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/a/b/Ã©/ÿ", "q=%zz")

    def test_a_header_with_an_underscore_is_not_taken_for_a_proxys(self, seen: dict[str, Any]) -> None:
        """Attack: `X_Forwarded_For` by a client would be read as `X-Forwarded-For` by a trusted proxy."""
        ask(scope(headers=((b"x_forwarded_for", b"10.0.0.1"),)))
        assert "HTTP_X_FORWARDED_FOR" not in seen

    def test_a_header_that_comes_twice_is_one(self, seen: dict[str, Any]) -> None:
        ask(scope(headers=((b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"2.2.2.2"))))
        ask(scope(headers=((b"cookie", b"a=1"), (b"cookie", b"b=2"))))
        assert (seen["HTTP_X_FORWARDED_FOR"], seen["HTTP_COOKIE"]) == ("1.1.1.1,2.2.2.2", "a=1; b=2")

    def test_a_body_without_a_length_has_the_one_it_has(self, seen: dict[str, Any]) -> None:
        ask(scope("POST"), b"four", b"teen chars")
        assert (seen["CONTENT_LENGTH"], seen["body"]) == ("14", b"fourteen chars")

    def test_the_processs_own_environment_is_not_in_it(self, seen: dict[str, Any]) -> None:
        ask(scope())
        assert "PATH" not in seen

    def test_an_incomplete_body_is_no_request(self, seen: dict[str, Any]) -> None:
        with pytest.raises(AssertionError, match="no answer"):
            ask(scope("POST"), b"half", b"", ends=False)
        assert seen == {}

    def test_the_number_of_remembered_header_names_is_bounded(self, seen: dict[str, Any]) -> None:
        for number in range(1000):
            ask(scope(headers=((f"x-{number}".encode(), b"1"),)))
        assert len(asgi._names) <= asgi._MAXIMUM_NAMES + 1


@pytest.mark.parametrize("after", [0, 1, 3, 10])
def test_a_download_ends_when_its_reader_goes_away(people: Callable[[Any], None], after: int) -> None:
    made, closed = [], threading.Event()

    def lines() -> Iterator[str]:
        try:
            for number in range(20_000):
                made.append(number)
                yield f"{number}\n"
        finally:
            closed.set()

    people(lambda _: StreamingHttpResponse(lines(), content_type="text/plain"))
    told: list[dict[str, Any]] = []
    gone = asyncio.Event()

    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (message := next(asked, None)) is None:
            await gone.wait()
        return message or ENDED

    async def send(message: dict[str, Any]) -> None:
        told.append(message)
        if len(told) > after:
            gone.set()
            await asyncio.sleep(0.01)

    asyncio.run(asgi.application(scope(), receive, send))

    assert closed.is_set()
    assert len(made) < 2_000
