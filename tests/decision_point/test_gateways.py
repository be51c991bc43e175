"""Gateways that check requests (Envoy's ext_authz by HTTP, agentgateway): calls, as such a gateway asks about them.

What is refused before the rules are asked is in test_gateway_refusals.py. The real Envoy is in
tests/interop/test_gateways.py.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from authz.models import AccessRequest
from authz.serving.wsgi import machine_at
from tests.decision_point.conftest import SERVER, configure
from tests.decision_point.gateway import (
    ADDRESS,
    INITIALIZED,
    METADATA,
    NO_DELETING,
    REVIEW,
    Gateway,
    approve_once,
    events,
    rpc,
    tool,
    with_rules,
)
from tests.support.world import NOTES, SERVER_SECRET, World, basic_header


@pytest.fixture
def gate(gatehouse: World) -> Gateway:
    return with_rules(gatehouse)


def test_a_call_that_the_rules_allow(gate: Gateway) -> None:
    answer = gate.check(tool("search", q="x"))
    assert answer.status_code == 200, answer.content
    (event,) = events("call:allowed")
    assert answer["Gatehouse-Evaluation"] == event.detail["evaluation"]
    assert (event.detail["tool"], event.detail["by"], event.resource) == ("search", "notes-server", NOTES)


def test_a_call_that_the_rules_deny(gate: Gateway) -> None:
    answer = gate.check(tool("delete_all", "a7"))
    assert answer.status_code == 403
    body = answer.json()
    assert (body["jsonrpc"], body["id"], body["error"]["code"]) == ("2.0", "a7", -32001)
    assert body["error"]["message"] == "The organisation's rules do not allow this call."
    assert "No deleting" not in answer.content.decode()
    assert "WWW-Authenticate" not in answer
    (event,) = events("call:denied")
    assert body["error"]["data"] == {"reason": "call_denied", "evaluation_id": event.detail["evaluation"]}


def test_a_call_that_a_person_approves(gate: Gateway) -> None:
    """The request is open at once: no program stands between the gateway and the client that could ask."""
    payment = tool("pay_out", amount=250)
    held = gate.check(payment)
    assert held.status_code == 403
    request = AccessRequest.objects.get()
    assert held.json()["error"]["data"]["access_request"]["id"] == str(request.pk)
    page = held.json()["error"]["data"]["access_request"]["url"]
    assert page in held.json()["error"]["message"]
    assert gate.check(payment).json()["error"]["data"]["access_request"]["url"] == page
    approve_once(request)
    assert gate.check(tool("pay_out", amount=251)).status_code == 403
    assert [gate.check(payment).status_code for _ in range(2)] == [200, 403]


@pytest.mark.parametrize(
    ("body", "is_recorded"),
    [
        (rpc("initialize", {}), True),
        (rpc("tools/list"), True),
        (rpc("resources/read", {"uri": "x"}), True),
        (rpc("ping"), False),
        (INITIALIZED, False),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, False),
    ],
)
def test_what_calls_no_tool_passes_by_the_token_alone(gate: Gateway, body: Any, *, is_recorded: bool) -> None:
    assert gate.check(body).status_code == 200
    assert len(events("call:allowed")) == is_recorded
    gate.token = "x.y.z"
    assert gate.check(body).status_code == 401


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_streams_and_the_end_of_a_session(gate: Gateway, method: str) -> None:
    assert gate.check(method=method).status_code == 200
    # Attack: a call in a request that has no body.
    assert gate.check(tool("search"), method).status_code == 400
    gate.token = ""
    assert gate.check(method=method).status_code == 401


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PUT", "PATCH", "TRACE"])
def test_no_other_method_passes(gate: Gateway, method: str) -> None:
    """Attack: 204 to a preflight is 2xx, and agentgateway lets it pass."""
    assert gate.check(tool("search"), method).status_code == 405


@pytest.mark.parametrize(
    "method", ["sampling/createMessage", "Tools/call", "tools/call ", "pay_out", "tools//call", "x"]
)
def test_methods_that_are_not_known_are_refused(gate: Gateway, method: str) -> None:
    answer = gate.check(rpc(method, {"name": "search"}))
    assert (answer.status_code, answer.json()["error"]["data"]["reason"]) == (403, "call_unknown")


# --- Several messages at once ----------------------------------------------------------------------------------------


def test_a_batch_passes_as_a_whole_or_not_at_all(gate: Gateway) -> None:
    assert gate.check([tool("search", 1), rpc("ping"), tool("list", 2)]).status_code == 200
    assert [event.detail["tool"] for event in events("call:allowed")] == ["search", "list"]
    answer = gate.check([tool("search", 1), tool("delete_all", 2)])
    assert (answer.status_code, answer.json()["id"]) == (403, None)
    # What is not made is not recorded as allowed.
    assert len(events("call:allowed")) == 2
    assert [event.detail["tool"] for event in events("call:denied")] == ["delete_all"]


def test_a_batch_uses_no_approval_of_a_call_that_it_does_not_make(gate: Gateway) -> None:
    """Attack: one approval of one call, twice in one batch; and one beside a call that is refused."""
    payment = tool("pay_out", amount=250)
    gate.check(payment)
    request = AccessRequest.objects.get()
    approve_once(request)
    assert gate.check([payment, payment]).status_code == 403
    assert gate.check([payment, tool("delete_all")]).status_code == 403
    request.refresh_from_db()
    assert request.used is None
    assert events("call:allowed") == []
    assert gate.check([payment, tool("search")]).status_code == 200
    request.refresh_from_db()
    assert request.used is not None


@pytest.mark.django_db(transaction=True)
def test_of_many_equal_calls_at_once_one_passes(committed_gatehouse: World) -> None:
    configure(REVIEW)
    gate = Gateway(committed_gatehouse.browser, committed_gatehouse.signed_in_tokens()["access_token"])
    payment = tool("pay_out", amount=250)
    gate.check(payment)
    request = AccessRequest.objects.get()
    approve_once(request)

    def make(number: int) -> int:
        try:
            body = payment if number % 2 else [payment, rpc("ping")]
            return int(Gateway(World().browser, gate.token).check(body).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(make, range(8)))
    assert sorted(made) == [200, *[403] * 7]


# --- Other answers ---------------------------------------------------------------------------------------------------


def test_a_better_sign_in(gatehouse: World) -> None:
    """> The resource server MUST respond with […] insufficient_user_authentication (RFC 9470 §3)"""
    engineers = NO_DELETING | {"name": "Engineers use agents on Notes", "effect": "allow"}
    engineers["grant_types"] = ["authorization_code"]
    deleting = {"name": "Deleting needs a second factor", "tools": ["delete_*"], "conditions": {"amr": ["mfa"]}}
    configure(engineers | {"tools": ["search"]}, engineers | deleting)
    gate = Gateway(gatehouse.browser, gatehouse.signed_in_tokens()["access_token"])
    assert gate.check(tool("search")).status_code == 200
    answer = gate.check(tool("delete_all"))
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith('Bearer error="insufficient_user_authentication", amr_values="mfa", ')
    assert answer.json()["error"]["data"]["reason"] == "call_step_up"


def test_the_token_alone(gate: Gateway) -> None:
    """For nginx, which passes no body on: it says nothing about calls."""
    asked = {"Gatehouse-Authorization": basic_header(*SERVER), "Gatehouse-Resource": NOTES}
    ask = gate.browser.get

    def status(token: str | None) -> Any:
        headers = asked | ({} if token is None else {"authorization": f"Bearer {token}"})
        return ask("/o/access/v1/auth_request", headers=headers)

    assert status(gate.token).status_code == 200
    assert events("call:allowed") == []
    for token in (None, "nonsense"):
        assert status(token).status_code == 401
        assert METADATA in status(token)["WWW-Authenticate"]
    asked["Gatehouse-Authorization"] = basic_header("notes-server", "wrong" * 10)
    assert status(gate.token).status_code == 403
    assert gate.browser.options("/o/access/v1/auth_request", headers=asked).status_code == 405


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        (ADDRESS, True),
        (f"{ADDRESS}/", True),
        (f"{ADDRESS}/mcp", True),
        (f"{ADDRESS}_token", False),
        (f"{ADDRESS[:-1]}", False),
        (f"/x{ADDRESS}", False),
    ],
)
def test_what_stands_behind_the_address(address: str, *, is_one: bool) -> None:
    """The short way, which reads no Host: Envoy sends that of the client's request."""
    assert (machine_at(address) is not None) is is_one


def test_metadata(gate: Gateway) -> None:
    found = gate.browser.get("/.well-known/authzen-configuration/o").json()
    assert found["ext_authz_endpoint"].endswith(ADDRESS)
    assert found["auth_request_endpoint"].endswith("/o/access/v1/auth_request")


def test_the_secret_is_in_no_answer(gate: Gateway) -> None:
    for answer in (gate.check(tool("search")), gate.check(tool("delete_all")), gate.check("x")):
        assert SERVER_SECRET not in answer.content.decode() + str(answer.headers)
