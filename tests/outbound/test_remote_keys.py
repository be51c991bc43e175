"""Remote keys: cached between bounds, refreshed seldom, failing closed (attack 25)."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authz.outbound import Cause, OutboundError, Response, Role, errands, remote_documents, remote_keys
from authz.outbound.remote_documents import DocumentOnItsWayError, DocumentUnavailableError
from authz.outbound.remote_keys import health, keys, renewed
from authz.protocol.jwks import public_jwk

URL = "https://client.example.com/jwks.json"


class Host:
    """Stands for the network: what it answers next, and how often it was asked."""

    def __init__(self) -> None:
        self.now = 1_767_225_600.0
        self.asked = 0
        self.conditions: list[Mapping[str, str] | None] = []
        self.headers: dict[str, str] = {}
        self.answer: bytes | OutboundError | int = b""
        self.publish("one")

    def publish(self, *kids: str, **members: Any) -> None:
        jwks = [public_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), kid=kid) | members for kid in kids]
        self.answer = json.dumps({"keys": jwks}).encode()

    def time(self) -> float:
        return self.now

    monotonic = time

    def fetch(self, role: Role, url: str, *, headers: Mapping[str, str] | None = None) -> Response:
        assert (role, url) == (Role.CLIENT_KEYS, URL)
        self.asked += 1
        self.conditions.append(headers)
        if isinstance(self.answer, OutboundError):
            raise self.answer
        if isinstance(self.answer, int):
            return Response(status=self.answer, headers=self.headers, body=b"", address="", elapsed=0.0)
        return Response(status=200, headers=self.headers, body=self.answer, address="", elapsed=0.0)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host()
    monkeypatch.setattr(remote_documents, "fetch", host.fetch)
    for module in (remote_documents, remote_keys):
        monkeypatch.setattr(module, "time", host)
    remote_keys.forget(URL)
    yield host
    remote_keys.forget(URL)


def kids(**options: Any) -> list[str | None]:
    return [key.kid for key in keys(URL, **options)]


def test_keys_are_fetched_once_and_kept(host: Host) -> None:
    assert kids() == kids(kid="one") == ["one"]
    assert host.asked == 1


@pytest.mark.parametrize(
    ("cache_control", "kept"),
    [
        ("", 300),
        ("max-age=1000", 1000),
        ("max-age=1", 60),
        ("no-store", 60),
        ("max-age=999999999", 3600),
        ("private", 60),
    ],
)
def test_they_are_kept_between_bounds(cache_control: str, kept: float, host: Host) -> None:
    host.headers = {"cache-control": cache_control}
    kids()
    host.now += kept - 1
    kids()
    assert host.asked == 1
    host.now += 1
    kids()
    assert host.asked == 2


def test_an_unknown_kid_asks_anew_but_not_in_a_flood(host: Host) -> None:
    kids()
    host.publish("one", "two")
    host.now += 30
    for number in range(50):
        kids(kid=f"made-up-{number}")
    assert host.asked == 2
    assert kids(kid="two") == ["one", "two"]
    host.now += 29
    kids(kid="made-up")
    assert host.asked == 2
    host.now += 1
    kids(kid="made-up")
    assert host.asked == 3


def test_a_rotated_key_counts_with_its_first_token(host: Host) -> None:
    for kid in ("one", "two", "three"):
        host.publish(kid)
        assert kids(kid=kid) == [kid]
    assert host.asked == 3


def test_keys_that_verify_nothing_are_asked_for_anew_but_not_in_a_flood(host: Host) -> None:
    old = keys(URL)
    host.publish("two")
    (new,) = renewed(URL, tried=old)
    assert (new.kid, host.asked) == ("two", 2)
    for _ in range(50):
        assert renewed(URL, tried=(new,)) == ()
    assert host.asked == 3
    host.now += 30
    assert renewed(URL, tried=(new,)) == ()
    assert host.asked == 4
    assert kids() == ["two"]


def test_what_is_published_still_is_not_new(host: Host) -> None:
    old = keys(URL)
    host.now += 30
    assert renewed(URL, tried=old) == ()
    assert host.asked == 2


def test_keys_that_are_withdrawn_are_not_renewed(host: Host) -> None:
    old = keys(URL)
    host.answer = OutboundError(Cause.STATUS, status=404)
    host.now += 30
    assert renewed(URL, tried=old) == ()
    with pytest.raises(DocumentUnavailableError, match="status"):
        kids()


def test_keys_serve_a_bounded_time_while_their_host_is_down(host: Host) -> None:
    kids()
    host.answer = OutboundError(Cause.TIMEOUT)
    host.now += 300
    assert kids() == ["one"]
    host.now += remote_keys.BOUNDS.stale - 1
    assert kids() == ["one"]
    host.now += 1
    with pytest.raises(DocumentUnavailableError, match="timeout"):
        kids()


def test_a_host_that_is_down_is_not_asked_with_every_request(host: Host) -> None:
    host.answer = OutboundError(Cause.CONNECT)
    for _ in range(20):
        with pytest.raises(DocumentUnavailableError, match="connect"):
            kids()
    assert host.asked == 1
    host.now += remote_keys.BOUNDS.first_retry
    host.publish("one")
    assert kids() == ["one"]
    assert host.asked == 2


@pytest.mark.parametrize("status", [404, 410])
def test_withdrawn_keys_serve_no_longer(status: int, host: Host) -> None:
    kids()
    host.answer = OutboundError(Cause.STATUS, status=status)
    host.now += 300
    with pytest.raises(DocumentUnavailableError, match="status"):
        kids()


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b"{}",
        b'{"keys": 1}',
        b'{"keys": [], "keys": []}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}]}',
        b"\xef\xbb\xbf" + b'{"keys": []}',
    ],
)
def test_an_answer_that_is_no_set_of_public_keys_ends_the_old_ones(answer: bytes, host: Host) -> None:
    kids()
    host.answer = answer
    host.now += 300
    with pytest.raises(DocumentUnavailableError, match="refused"):
        kids()


def test_a_private_key_in_the_set_is_refused(host: Host) -> None:
    host.publish("one", d="AAAA")
    with pytest.raises(DocumentUnavailableError, match="refused"):
        kids()


def test_they_are_asked_for_with_a_condition_and_304_keeps_them(host: Host) -> None:
    host.headers = {"etag": '"1"', "cache-control": "max-age=100"}
    kids()
    host.answer = 304
    host.now += 100
    assert kids() == ["one"]
    assert host.conditions == [None, {"If-None-Match": '"1"'}]
    host.now += 99
    assert kids() == ["one"]
    assert host.asked == 2


def test_a_304_about_something_else_ends_them(host: Host) -> None:
    host.headers = {"etag": '"1"'}
    kids()
    host.answer, host.headers = 304, {"etag": '"2"'}
    host.now += 300
    with pytest.raises(DocumentUnavailableError, match="refused"):
        kids()


def test_the_console_sees_how_it_goes(host: Host) -> None:
    kids()
    seen = health(URL)
    assert seen is not None
    assert (seen.keys, seen.fetched, seen.fresh_until, seen.failures) == (1, host.now, host.now + 300, 0)
    host.answer = OutboundError(Cause.TLS)
    host.now += 300
    kids()
    seen = health(URL)
    assert seen is not None
    assert (seen.failures, seen.failure, seen.failed) == (1, "tls", host.now)


def test_strangers_cannot_fill_the_memory(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_documents, "MAX_ENTRIES", 3)
    monkeypatch.setattr(remote_documents, "fetch", lambda *_, **__: Host().fetch(Role.CLIENT_KEYS, URL))
    for number in range(10):
        keys(f"https://client.example.com/{number}")
    assert len(remote_keys._CACHES[Role.CLIENT_KEYS].entries) <= 3


# --- Several at once -------------------------------------------------------------------------------------------------


class SlowHost(Host):
    """One that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_answer = Event(), Event()

    def fetch(self, role: Role, url: str, *, headers: Mapping[str, str] | None = None) -> Response:
        self.is_asked.set()
        assert self.may_answer.wait(30)
        return super().fetch(role, url, headers=headers)


@pytest.fixture
def slow(host: Host, monkeypatch: pytest.MonkeyPatch) -> SlowHost:
    slow = SlowHost()
    monkeypatch.setattr(remote_documents, "fetch", slow.fetch)
    for module in (remote_documents, remote_keys):
        monkeypatch.setattr(module, "time", slow)
    return slow


def test_a_request_during_the_fetch_of_a_rotated_key_gets_it_too(host: Host, slow: SlowHost) -> None:
    slow.may_answer.set()
    kids()
    slow.publish("one", "two")
    slow.now += 30
    slow.may_answer.clear()
    slow.is_asked.clear()
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(kids, kid="two")
        assert slow.is_asked.wait(30)
        assert kids(kid="one") == ["one"]  # who has their key does not wait
        others = [pool.submit(kids, kid="two") for _ in range(4)]
        slow.may_answer.set()
        assert [waiting.result(30) for waiting in (first, *others)] == [["one", "two"]] * 5
    assert slow.asked == 2


def _no_place(*_: object, **__: object) -> None:
    raise errands.BusyError


def test_where_no_more_may_wait_they_are_said_to_be_on_their_way(
    host: Host, slow: SlowHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(kids)
        assert slow.is_asked.wait(30)
        monkeypatch.setattr(errands, "result", _no_place)
        with pytest.raises(DocumentOnItsWayError):
            kids()
        slow.may_answer.set()
        assert first.result(30) == ["one"]
    assert kids() == ["one"]
