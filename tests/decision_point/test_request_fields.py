"""Access requests of MCP servers (AuthZEN) say what extensions ask for, and why."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authz.configuration import apply
from authz.database import configuration_cache
from authz.models import AccessRequest
from tests.decision_point.conftest import PDP, call, configure
from tests.decision_point.test_access_requests import PAYMENT as CALL
from tests.decision_point.test_access_requests import REVIEW, submit
from tests.extensions.test_request_fields import PAYMENT, SOURCE
from tests.support.extension_packages import installing
from tests.support.world import NOTES, World

pytestmark = pytest.mark.django_db
RIGHT = {PAYMENT: {"amount": 5, "iban": "DE12"}}


@pytest.fixture
def held(gatehouse: World, pdp: PDP, tmp_path: Path) -> Iterator[tuple[PDP, dict[str, Any]]]:
    """The decision point where payments are reviewed, and a call that waits."""
    configure(REVIEW)
    body = call(gatehouse.signed_in_tokens()["access_token"], "pay_out", CALL)
    with installing(tmp_path) as install:
        install(PAYMENT, SOURCE)
        apply(json.dumps({"extensions": {PAYMENT: {"enabled": True, "resources": [NOTES], "limit": 100}}}))
        configuration_cache.begin()
        yield pdp, body


def asks(held: tuple[PDP, dict[str, Any]], **more: Any) -> Any:
    pdp, body = held
    return submit(pdp, body | more, pdp.ask(body))


def test_an_mcp_server_says_them_and_why(held: tuple[PDP, dict[str, Any]]) -> None:
    pdp, body = held
    context = {**body.get("context", {}), "business_justification": "rent"}
    wanted = {**RIGHT, "emergency": True, "https://example.com/other": 1, "com.example/unknown": {"x": 1}}
    answer = submit(pdp, {**body, "context": context, "requested_access": wanted}, pdp.ask(body))
    assert answer.status_code == 202, answer.content
    request = AccessRequest.objects.get()
    assert (request.extension_fields, request.reason) == (RIGHT, "rent")
    # Attack: the server that says it again in other words, once a person has said it.
    again = {PAYMENT: {"amount": 100_000}}
    context = {**context, "business_justification": "a gift"}
    assert submit(pdp, {**body, "context": context, "requested_access": again}, pdp.ask(body)).status_code == 202
    request.refresh_from_db()
    assert (request.extension_fields, request.reason) == (RIGHT, "rent")


@pytest.mark.parametrize(
    "wanted",
    [5, [], {PAYMENT: 5}, {PAYMENT: {"amount": "5"}}, {PAYMENT: {"sum": 5}}, {PAYMENT: {"amount": 5, "iban": "x"}}],
    ids=str,
)
def test_an_mcp_server_asks_nothing_with_what_does_not_fit(held: tuple[PDP, dict[str, Any]], wanted: Any) -> None:
    answer = asks(held, requested_access=wanted)
    assert answer.status_code == 400
    assert "requested_access" in answer.content.decode()
    assert not AccessRequest.objects.exists()


def test_what_an_mcp_server_does_not_know_the_person_says_later(held: tuple[PDP, dict[str, Any]]) -> None:
    assert asks(held).status_code == 202
    assert AccessRequest.objects.get().extension_fields in (None, {})
