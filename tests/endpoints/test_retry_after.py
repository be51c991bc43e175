"""Every 429 and 503 says when to come again (RFC 6585 §4, RFC 9110 §15.6.4)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpResponse

from authz.configuration import apply
from authz.endpoints import request_context
from authz.protocol.errors import BUSY_STATUS, OAuthError, RefusalReason
from authz.protocol.errors import Reason as CoreReason
from cimd import approval_queue
from cimd.reasons import Reason as CimdReason
from cimd.registration import room
from tests.support.world import World
from xaa.reasons import Reason as XaaReason

BUSY = [
    reason for reasons in (CoreReason, CimdReason, XaaReason) for reason in reasons
    if OAuthError(reason).status in BUSY_STATUS
]  # fmt: skip
PROGRAM = '{"redirect_uris": ["http://localhost/cb"], "token_endpoint_auth_method": "none"}'


def test_there_are_reasons_to_be_busy() -> None:
    assert len(BUSY) >= 6


@pytest.mark.parametrize("reason", BUSY)
def test_a_refusal_that_is_over_soon_says_when(reason: RefusalReason) -> None:
    assert OAuthError(reason).retry_after > 0
    assert OAuthError(reason, retry_after=17).retry_after == 17


@pytest.mark.parametrize("reason", [r for r in CoreReason if OAuthError(r).status not in BUSY_STATUS])
def test_any_other_does_not(reason: RefusalReason) -> None:
    assert OAuthError(reason).retry_after == 0


def seconds(response: Any, status: int) -> int:
    assert response.status_code == status, response.content
    return int(response["Retry-After"])


def register(gatehouse: World) -> Any:
    return gatehouse.browser.post("/o/register", PROGRAM, content_type="application/json")


@pytest.fixture
def on(gatehouse: World) -> World:
    apply("cimd: {registration: true, registration_hosts: [localhost]}")
    return gatehouse


def test_too_many_registrations_in_a_minute(on: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "A_MINUTE", 1)
    assert register(on).status_code == 201
    assert 1 <= seconds(register(on), 503) <= 61


def test_too_many_registrations_in_all(on: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_CLIENTS", 0)
    assert seconds(register(on), 503) == approval_queue.FULL


def test_a_client_whose_document_has_to_wait(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval_queue, "CLIENTS_PER_HOST", 0)
    monkeypatch.setattr(approval_queue, "PENDING", 0)
    answer = gatehouse.post("token", {"grant_type": "authorization_code", "client_id": "https://a.example/c.json"})
    assert seconds(answer, 503) > 0


@pytest.mark.parametrize("endpoint", ["token", "introspect", "revoke", "register"])
def test_a_database_that_is_away(on: World, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("it is away")

    monkeypatch.setattr("authz.database.configuration_cache.begin", away)
    assert seconds(on.post(endpoint, {"grant_type": "client_credentials", "token": "x"}), 503) > 0


@pytest.mark.parametrize("status", [429, 503])
def test_a_librarys_page_that_does_not_say(rf: Any, status: int) -> None:
    def page(_: object) -> HttpResponse:
        return HttpResponse(status=status)

    within: Callable[[Any], Any] = request_context.middleware(page)
    assert seconds(within(rf.get("/accounts/login/")), status) > 0


def test_a_page_that_says_is_left_alone(rf: Any) -> None:
    within = request_context.middleware(lambda _: HttpResponse(status=503, headers={"Retry-After": "77"}))
    assert within(rf.get("/"))["Retry-After"] == "77"
