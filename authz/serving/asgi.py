"""The ASGI application. It serves machine endpoints one after the other in the event-loop thread, and everything else
in other threads (docs/decisions/0011-event-loop-and-workers.md).

It runs authz/serving/wsgi.py, which gives the responses.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from authz.serving.wsgi import WAITS, answer, machine_at  # first: it says which settings
from authz.serving.wsgi import application as wsgi_application

# isort: split
from django.core.signals import request_finished

from authz.conf import conf
from authz.database import concurrency, replay
from authz.database.downloads import Reader
from authz.database.greenlets import ClientGoneError
from authz.dpop import RAW_PATH
from authz.endpoints.event_stream import Channel, EventStream
from authz.endpoints.machine import Response, View
from authz.outbound import errands
from authz.outbound.errands import Errand
from authz.protocol.params import MAXIMUM_BODY as MAXIMUM_MACHINE_BODY
from authz.serving import in_the_loop
from authz.serving.http_protocol import Connection
from authz.telemetry import metrics

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Bytes. No form and no file that this server accepts is longer.
MAXIMUM_BODY = 5 * 1024 * 1024
# The page for which an unknown client's metadata document is fetched. It has no effect before its client is known, so
# it may begin again, as machine endpoints do. Other pages run once.
BEGINNING_AGAIN = frozenset({f"{conf.issuer_path}/authorize"})
# A request may wait for a document, its logo, a client's keys, an issuer's metadata and its keys, and for some of these
# twice.
MAXIMUM_BEGINNINGS = 10
# How many bodies longer than a machine endpoint's may be in memory: their senders are not authenticated yet.
MAXIMUM_LONG = 8
_long = 0
# How many requests a second to one endpoint may find a lock in the event-loop thread: each costs it milliseconds. The
# further requests of that second begin in a thread, so that a locked table does not delay other endpoints.
MAXIMUM_LOCKED, SECOND = 4, 1.0
_locked: dict[View, list[float]] = {}
# Seconds between two looks of a response that stays open whether the server stops.
LOOK_SECONDS = 0.5
_threads = ThreadPoolExecutor(conf.threads, thread_name_prefix="request")
# What a header is called in a WSGI environment. The number is bounded, because clients may invent names.
_names: dict[bytes, str] = {b"content-length": "CONTENT_LENGTH", b"content-type": "CONTENT_TYPE"}
_MAXIMUM_NAMES = 256


class _GoneError(Exception):
    """The client has disconnected."""


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """One HTTP request."""
    for message in await _answered(scope, receive, send):
        await send(message)


async def _answered(scope: dict[str, Any], receive: Receive, send: Send) -> list[Message]:
    global _long  # noqa: PLW0603  one per process is the idea
    if scope["raw_path"] == b"*":
        # > If the request target is an asterisk ("*"), the OPTIONS request applies to the server in general rather than
        # > to a specific resource. … is only useful as a "ping" or "no-op" (RFC 9110 §9.3.7)
        return _whole(204, (("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),), b"")
    path, body = _path(scope["raw_path"]), bytearray()
    view = machine_at(path)
    try:
        has_more = await _read(receive, body, MAXIMUM_MACHINE_BODY)
        if view is not None or len(body) <= MAXIMUM_MACHINE_BODY:
            # A machine endpoint refuses a long body itself.
            return await _answer(view, scope, bytes(body), receive, send)
        if _long >= MAXIMUM_LONG:
            return _whole(503, (("Retry-After", "5"),), b"")
        _long += 1
        try:
            if has_more:
                await _read(receive, body, MAXIMUM_BODY)
            if len(body) > MAXIMUM_BODY:
                return _whole(413, (), b"")
            return await _answer(view, scope, bytes(body), receive, send)
        finally:
            _long -= 1
    except (_GoneError, ClientGoneError):
        return []


async def _answer(view: View | None, scope: dict[str, Any], body: bytes, receive: Receive, send: Send) -> list[Message]:
    """Process the request, and again each time that it had to wait for something. What it claimed stays claimed."""
    environ, loop = _environ(scope, body), asyncio.get_running_loop()
    again = _Again(brought={} if view is not None or environ["PATH_INFO"] in BEGINNING_AGAIN else None)
    is_in_loop = view is not None
    for _ in range(MAXIMUM_BEGINNINGS):
        came: Response | list[Message] | _Stream | concurrency.MustRunInThread
        environ["wsgi.input"] = BytesIO(body)
        if view is not None and is_in_loop and _may_begin_in_the_loop(view, loop.time()):
            came = await in_the_loop.run(partial(_tried, view, environ, again, loop), partial(_left, receive))
        else:
            if view is not None and is_in_loop:
                environ[WAITS] = True
            came = await loop.run_in_executor(_threads, _in_a_thread, environ, again, Reader(receive, send, loop))
        if isinstance(came, list):
            return came
        if isinstance(came, _Stream):
            return await _streamed(came, receive, send)
        if not isinstance(came, concurrency.MustRunInThread):
            content = b"" if scope["method"] == "HEAD" else came.content
            return _whole(came.status_code, came.headers.items(), content)
        if came.errand is None or again.brought is None:
            is_in_loop = False
        elif await _is_over(came.errand, receive):
            again.brought[came.errand.key] = came.errand.future
        else:
            break
    return _whole(503, (("Retry-After", "5"),), b"")


@dataclass(slots=True)
class _Again:
    """What a request keeps when it begins again: what it claimed, what was counted, and what errands brought (None: it
    cannot begin again for an errand).
    """

    brought: dict[Hashable, Future[Any]] | None
    claimed: set[str] = field(default_factory=set)
    counted: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        with (
            replay.remembered(frozenset(self.claimed)) as claims,
            concurrency.begun(self.counted),
            metrics.unless_begun_again(concurrency.MustRunInThread),
            nullcontext() if self.brought is None else concurrency.beginning_again(self.brought),
        ):
            try:
                yield
            finally:
                self.claimed |= claims


def _may_begin_in_the_loop(view: View, now: float) -> bool:
    if (times := _locked.get(view)) is None:
        return True
    _locked[view] = times = [then for then in times if now - then < SECOND]
    return len(times) < MAXIMUM_LOCKED


async def _is_over(errand: Errand, receive: Receive) -> bool:
    """Wait for an errand, without holding a thread. Raises `_GoneError` when the client disconnects."""
    with errand.waited_for() as future:
        done, left = asyncio.wrap_future(future), asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((done, left), timeout=errands.SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
        if not done.done() and left.done() and not left.cancelled():
            done.cancel()  # only this wait: other requests may wait for the same errand
            raise _GoneError
        if done.done():
            done.exception()  # so that asyncio does not report it: the request does
        return done.done()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _tried(
    view: View, environ: dict[str, Any], again: _Again, loop: AbstractEventLoop
) -> Response | concurrency.MustRunInThread:
    """The response, or `MustRunInThread` if the request has to wait for something that would hold the loop."""
    try:
        with concurrency.in_event_loop(), again.in_force():
            return answer(view, environ)
    except concurrency.MustRunInThread as wait:
        if isinstance(wait, concurrency.Locked):
            _locked.setdefault(view, []).append(loop.time())
            environ[WAITS] = True
        return wait


@dataclass(frozen=True, slots=True)
class _Stream:
    """A response that stays open, and needs no thread for that."""

    start: Message
    channel: Channel


async def _streamed(stream: _Stream, receive: Receive, send: Send) -> list[Message]:
    """Send the events of a channel until it ends, its reader disconnects, or the server stops."""
    channel, came, loop = stream.channel, asyncio.Event(), asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(came.set)

    channel.on_event(wake)
    left = asyncio.ensure_future(_left(receive))
    left.add_done_callback(lambda _: came.set())
    try:
        await send(stream.start)
        while not left.done():
            came.clear()
            if (event := channel.take()) is not None:
                await send({"type": "http.response.body", "body": event, "more_body": True})
            elif not channel.is_open:
                break
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(came.wait(), LOOK_SECONDS)
                if Connection.is_ending:
                    channel.end()
    finally:
        left.cancel()
        channel.abandon()
    return [_end(b"")]


def _in_a_thread(
    environ: dict[str, Any], again: _Again, reader: Reader
) -> list[Message] | _Stream | concurrency.MustRunInThread:
    """The messages that are left to send. A page is complete; a download is sent here, while it is made."""
    status, headers = 0, list[tuple[str, str]]()

    def start_response(told: str, sent: list[tuple[str, str]], *_: object) -> None:
        nonlocal status, headers
        status, headers = int(told[:3]), sent

    try:
        with again.in_force():
            chunks = wsgi_application(environ, start_response)
    except concurrency.MustRunInThread as wait:
        # Django ends a request when its response is closed; this one has none.
        request_finished.send(sender=_in_a_thread)
        return wait
    try:
        if isinstance(chunks, list) or not getattr(chunks, "streaming", True):
            return _whole(status, headers, b"".join(chunks))
        if isinstance(chunks, EventStream):
            return _Stream(_start(status, headers), chunks.channel)
        reader.stream(_start(status, headers), chunks)
        return [_end(b"")]
    finally:
        # Django ends a request when its response is closed.
        getattr(chunks, "close", lambda: None)()


async def _read(receive: Receive, body: bytearray, most: int) -> bool:
    """Add to the body until it ends, or is longer than `most`. True: there is more."""
    has_more = True
    while has_more and len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        body += message["body"]
        has_more = message["more_body"]
    return has_more


def _environ(scope: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The WSGI environment (PEP 3333) of an HTTP request, without the process's own: that holds secrets."""
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": _path(scope["raw_path"]),
        # As it was sent, for what compares addresses (authz/dpop/presented.py).
        RAW_PATH: scope["raw_path"].decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "REMOTE_ADDR": scope["client"][0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for header, value in scope["headers"]:
        # `X_Forwarded_For` would get the name of `X-Forwarded-For`, and pass for a proxy's header.
        if b"_" in header:
            continue
        name, text = _names.get(header) or _named(header), value.decode("latin-1")
        if name in environ:
            text = f"{environ[name]}{'; ' if name == 'HTTP_COOKIE' else ','}{text}"
        environ[name] = text
    # Also where it came in chunks, which WSGI does not know.
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _path(raw: bytes) -> str:
    return (unquote_to_bytes(raw) if b"%" in raw else raw).decode("latin-1")


def _named(header: bytes) -> str:
    name = f"HTTP_{header.decode('latin-1').upper().replace('-', '_')}"
    if len(_names) < _MAXIMUM_NAMES:
        _names[header] = name
    return name


def _whole(status: int, headers: Iterable[tuple[str, str]], content: bytes) -> list[Message]:
    start = _start(status, headers)
    if not any(name == b"content-length" for name, _ in start["headers"]):
        start["headers"].append((b"content-length", str(len(content)).encode()))
    return [start, _end(content)]


def _start(status: int, headers: Iterable[tuple[str, str]]) -> Message:
    written = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return {"type": "http.response.start", "status": status, "headers": written}


def _end(content: bytes) -> Message:
    return {"type": "http.response.body", "body": content}
