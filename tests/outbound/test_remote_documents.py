"""One cache for the documents of other servers: asked once, bounded, and served while a host is down."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from authz.outbound import Cause, OutboundError, Response, Role, errands, remote_documents, remote_keys
from authz.outbound.remote_documents import (
    Answer,
    DocumentOnItsWayError,
    DocumentUnavailableError,
    DocumentUnreachableError,
    NotObtainedError,
    ProcessCache,
    ask,
)
from tests.support.races import at_once

NAME = "https://issuer.example.com"


class Host:
    """What the next request for a document brings, and how many there were."""

    def __init__(self) -> None:
        self.now = 1_767_225_600.0
        self.asked = 0
        self.brings: Callable[[], str] = lambda: "one"

    def time(self) -> float:
        return self.now

    monotonic = time

    def request(self, name: str, held: Answer[str] | None) -> Answer[str]:
        self.asked += 1
        return Answer(self.brings(), {}, name, self.now)

    def fails(self, error: Exception) -> None:
        def fail() -> str:
            raise error

        self.brings = fail


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    monkeypatch.setattr(remote_documents, "time", host)
    return host


@pytest.fixture
def cache(host: Host) -> ProcessCache[str]:
    return ProcessCache("test", errands.Pool.ISSUERS, remote_keys.BOUNDS, host.request)


DOWN = NotObtainedError("timeout", is_withdrawn=False, is_down=True)
GONE = NotObtainedError("status", is_withdrawn=True)


@pytest.mark.parametrize(
    ("failure", "raised"), [(DOWN, DocumentUnreachableError), (GONE, DocumentUnavailableError)], ids=["down", "gone"]
)
def test_a_failure_is_raised_by_its_kind_and_its_host_is_left_alone(
    failure: NotObtainedError, raised: type[Exception], host: Host, cache: ProcessCache[str]
) -> None:
    host.fails(failure)
    for _ in range(3):
        with pytest.raises(DocumentUnavailableError, match=str(failure)) as caught:
            cache.get(NAME)
        assert type(caught.value) is raised
    assert host.asked == 1
    host.now += remote_keys.BOUNDS.first_retry
    host.brings = lambda: "two"
    assert cache.get(NAME) == "two"


@pytest.mark.parametrize(("failure", "is_served"), [(DOWN, True), (GONE, False)], ids=["down", "gone"])
def test_a_stale_document_serves_while_its_host_is_down_and_not_once_it_is_gone(
    failure: NotObtainedError, is_served: bool, host: Host, cache: ProcessCache[str]
) -> None:
    assert cache.get(NAME) == "one"
    host.now += remote_keys.BOUNDS.default
    host.fails(failure)
    if is_served:
        assert cache.get(NAME) == "one"
        host.now += remote_keys.BOUNDS.stale
    with pytest.raises(DocumentUnavailableError):
        cache.get(NAME)


def test_a_request_that_ends_before_its_answer_is_no_failure_of_the_host(host: Host, cache: ProcessCache[str]) -> None:
    host.fails(OutboundError(Cause.ABANDONED))
    with pytest.raises(DocumentOnItsWayError):
        cache.get(NAME)
    host.brings = lambda: "one"
    assert cache.get(NAME) == "one"


def test_many_requests_at_once_ask_the_host_once(host: Host, cache: ProcessCache[str]) -> None:
    def slowly() -> str:
        time.sleep(0.1)
        return "one"

    host.brings = slowly
    assert at_once([lambda: cache.get(NAME)] * 20) == ["one"] * 20
    assert host.asked == 1


def test_the_least_recently_used_documents_are_forgotten(
    host: Host, cache: ProcessCache[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_documents, "MAX_ENTRIES", 2)
    for name in ("a", "b", "a", "c"):
        cache.get(name)
    assert list(cache.entries) == ["a", "c"]


def test_a_condition_is_sent_only_for_the_address_that_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    conditions: list[Any] = []

    def fetch(role: Role, url: str, *, headers: Any = None) -> Response:
        conditions.append(headers)
        return Response(status=200, headers={}, body=b"two", address="", elapsed=0.0)

    monkeypatch.setattr(remote_documents, "fetch", fetch)
    held = Answer("one", {"etag": '"1"'}, f"{NAME}/a", 0.0)
    for address in ("a", "b"):
        assert ask(Role.ISSUER_METADATA, f"{NAME}/{address}", held, bytes.decode).value == "two"
    assert conditions == [{"If-None-Match": '"1"'}, None]


def test_keys_for_clients_and_for_issuers_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only an issuer's role may reach (`GATEHOUSE_OUTBOUND_ALLOWED_HOSTS`) no client is served from the cache."""
    roles: list[Role] = []

    def fetch(role: Role, url: str, *, headers: Any = None) -> Response:
        roles.append(role)
        return Response(status=200, headers={}, body=b'{"keys": []}', address="", elapsed=0.0)

    monkeypatch.setattr(remote_documents, "fetch", fetch)
    uri = "https://intranet.example/jwks"
    for role in (Role.ISSUER_KEYS, Role.CLIENT_KEYS):
        remote_keys.keys(uri, role)
    remote_keys.forget(uri)
    assert roles == [Role.ISSUER_KEYS, Role.CLIENT_KEYS]
