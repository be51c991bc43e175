"""Gateways that check requests (Envoy's ext_authz by HTTP, agentgateway): the endpoint as such a gateway uses it.

The real Envoy is in tests/interop/test_gateways.py.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from authz.approvals import voting
from authz.authorizations import removal
from authz.configuration import apply
from authz.models import AccessRequest, AuditEvent
from authz.protocol.resources import metadata_address
from authz.serving.wsgi import machine_at
from tests.decision_point.conftest import SERVER, configure
from tests.support import world
from tests.support.world import NOTES, SERVER_SECRET, World, basic_header

ADDRESS = "/o/access/v1/ext_authz"
REVIEW: dict[str, Any] = {
    "name": "People review payments",
    "effect": "require_approval",
    "clients": ["*"],
    "groups": ["engineering"],
    "grant_types": ["authorization_code"],
    "resources": [NOTES],
    "scopes": ["*"],
    "tools": ["pay_*"],
    "approvers": {"users": ["alice"]},
}
NO_DELETING: dict[str, Any] = {
    "name": "No deleting",
    "effect": "deny",
    "clients": ["*"],
    "groups": ["engineering"],
    "resources": [NOTES],
    "scopes": ["*"],
    "tools": ["delete_*"],
}
METADATA = metadata_address(NOTES)


def rpc(method: str, params: Any = None, id_: Any = 7) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, **({} if params is None else {"params": params})}


def tool(name: str, id_: Any = 7, **arguments: Any) -> dict[str, Any]:
    return rpc("tools/call", {"name": name, "arguments": arguments}, id_)


INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def approve_once(request: AccessRequest) -> None:
    now = datetime.now(UTC)
    expires = now + timedelta(hours=1)
    alice = world.person("alice")
    voting.approve(request, by=alice, scopes=request.scopes, expires=expires, comment="", now=now, once=True)


class Gateway:
    """What a gateway sends: the client's token, method and body; its own headers."""

    def __init__(self, browser: Any, token: str = "", client: tuple[str, str] = SERVER) -> None:
        self.browser, self.token, self.client = browser, token, client

    def check(self, body: Any = None, method: str = "POST", path: str = "/mcp", **headers: str | None) -> Any:
        given = {
            "authorization": f"Bearer {self.token}" if self.token else None,
            "Gatehouse-Authorization": basic_header(*self.client),
            "Gatehouse-Resource": NOTES,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        content = body if isinstance(body, str | bytes) else "" if body is None else json.dumps(body)
        sent = {name: value for name, value in given.items() if value is not None}
        return self.browser.generic(method, f"{ADDRESS}{path}", content, content_type="application/json", headers=sent)


@pytest.fixture
def gate(gatehouse: World) -> Gateway:
    configure(REVIEW, NO_DELETING)
    return Gateway(gatehouse.browser, gatehouse.signed_in_tokens()["access_token"])


def events(event: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event=f"access:{event}").order_by("id"))


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


# --- The token -------------------------------------------------------------------------------------------------------


def test_without_a_token_the_client_learns_where_to_get_one(gate: Gateway) -> None:
    gate.token = ""
    answer = gate.check(tool("search"))
    assert answer.status_code == 401
    # > If the request lacks any authentication information, […] SHOULD NOT include an error code (RFC 6750 §3.1)
    assert answer["WWW-Authenticate"] == f'Bearer resource_metadata="{METADATA}"'
    assert answer.json()["error"]["message"] == "The access token is not good at this MCP server now."


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "two tokens", "x" * 5000, 'a"b'])
def test_a_token_that_is_none(gate: Gateway, token: str) -> None:
    gate.token = token
    answer = gate.check(tool("search"))
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith('Bearer error="invalid_token", ')
    assert f'resource_metadata="{METADATA}"' in answer["WWW-Authenticate"]


def test_a_token_that_is_withdrawn(gate: Gateway) -> None:
    removal.remove(world.client("desktop-app"))
    assert gate.check(tool("search")).status_code == 401
    assert gate.check(INITIALIZED).status_code == 401


def test_the_token_of_another_server_that_the_same_gateway_serves(gate: Gateway) -> None:
    """Attack: the confused deputy. The gateway may ask about both servers, and this is the other one's door."""
    payroll = f"identifier: {world.PAYROLL}, name: Payroll, decision_clients: [notes-server]"
    apply(f'resources: [{{{payroll}, scopes: [{{name: "payroll:read"}}]}}]')
    assert gate.check(tool("search")).status_code == 200
    assert gate.check(tool("search"), Gatehouse_Resource=world.PAYROLL).status_code == 401
    # Without its word there are two, and neither is guessed.
    assert gate.check(tool("search"), Gatehouse_Resource=None).status_code == 400
    assert gate.check(tool("search"), Gatehouse_Resource="https://elsewhere.example/mcp").status_code == 400


def test_strangers_behind_the_gateway_neither_fill_the_audit_nor_make_it_wait(gate: Gateway, settings: Any) -> None:
    limits = settings.GATEHOUSE["RATE_LIMITS"] | {"refused:client": "3/minute", "refused:address": "10/minute"}
    settings.GATEHOUSE = settings.GATEHOUSE | {"RATE_LIMITS": limits}
    good, gate.token = gate.token, "nonsense"
    assert {gate.check(tool("search")).status_code for _ in range(150)} == {401}
    gate.token = good
    assert gate.check(tool("search")).status_code == 200
    recorded = events("decision:refused")
    assert 0 < len(recorded) <= 110
    assert {(event.reason, event.resource, event.detail["by"]) for event in recorded} == {
        ("token_not_live", NOTES, "notes-server")
    }


# --- The gateway -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        basic_header("notes-server", "wrong" * 10),
        basic_header("no-one", "wrong" * 10),
        basic_header("nightly-report", world.SECRET),  # asks for no server
        basic_header("desktop-app", ""),
        f"{basic_header(*SERVER)},{basic_header(*SERVER)}",  # the client sent one, too
        "Bearer x",
    ],
)
def test_a_gateway_that_is_not_known(gate: Gateway, header: str | None) -> None:
    """Never 401: the MCP client would begin an authorization, which helps no gateway. And never 5xx, which a gateway
    may be told to let pass."""
    answer = gate.check(tool("search"), Gatehouse_Authorization=header)
    assert answer.status_code in {400, 403}
    assert "WWW-Authenticate" not in answer
    assert len(events("decision:refused")) == 1
    assert events("call:allowed") == []


def test_the_clients_own_authorization_is_not_the_gateways(gate: Gateway) -> None:
    answer = gate.check(tool("search"), Gatehouse_Authorization=None, authorization=basic_header(*SERVER))
    assert answer.status_code == 403


def test_a_gateway_for_one_server_need_not_name_it(gate: Gateway) -> None:
    assert gate.check(tool("search"), Gatehouse_Resource=None).status_code == 200


@pytest.mark.parametrize("path", ["", "/", "/mcp?x=1", "/a/../b", "/%2e%2e/introspect", "//x"])
def test_the_path_of_the_clients_request_decides_nothing(gate: Gateway, path: str) -> None:
    assert gate.check(tool("search"), path=path).status_code == 200
    assert gate.check(tool("delete_all"), path=path).status_code == 403


# --- The body --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        ("", {}, 400, "check_incomplete"),  # the gateway passes no bodies on
        (tool("search"), {"X_Envoy_Auth_Partial_Body": "true"}, 400, "check_incomplete"),
        (tool("search"), {"X_Envoy_Auth_Partial_Body": "false,true"}, 400, "check_incomplete"),
        (json.dumps(tool("search"))[:-1], {}, 400, "json_malformed"),
        ('{"jsonrpc": "2.0", "id": 1, "method": "ping", "method": "tools/call"}', {}, 400, "json_malformed"),
        (rpc("ping") | {"Method": "tools/call"}, {}, 400, "message_malformed"),
        (tool("search", q="x" * 70_000), {}, 413, "body_too_large"),
        (tool("search"), {"Content_Type": "application/json; charset=utf-16"}, 400, "message_malformed"),
        (tool("search"), {"Content_Type": "application/json; charset=utf-7"}, 400, "message_malformed"),
        (tool("search"), {"Content_Type": "application/x-www-form-urlencoded"}, 400, "message_malformed"),
        (tool("search"), {"Content_Encoding": "gzip"}, 400, "message_malformed"),
        (tool("search"), {"Mcp_Method": "ping"}, 400, "message_malformed"),
        (tool("search"), {"Mcp_Name": "delete_all"}, 400, "message_malformed"),
        (tool("search"), {"Mcp_Name": "=?base64?ZGVsZXRlX2FsbA==?="}, 400, "message_malformed"),
        (tool("search"), {"Mcp_Name": "=?base64?!?="}, 400, "message_malformed"),
        ([], {}, 400, "message_malformed"),
    ],
)
def test_a_body_that_another_reader_may_read_otherwise(
    gate: Gateway, body: Any, headers: dict[str, str], status: int, reason: str
) -> None:
    answer = gate.check(body, **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, -32600)
    assert [event.reason for event in events("decision:refused")] == [reason]
    assert events("call:allowed") == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Envoy_Auth_Partial_Body": "false"},
        {"Content_Type": "application/json; charset=utf-8"},
        {"Content_Type": 'Application/JSON;charset="UTF-8"'},
        {"Content_Encoding": "identity"},
        {"Mcp_Method": "tools/call", "Mcp_Name": "search"},
        {"Mcp_Name": "=?base64?c2VhcmNo?="},
    ],
)
def test_headers_that_say_the_same(gate: Gateway, headers: dict[str, str]) -> None:
    assert gate.check(tool("search"), **headers).status_code == 200


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
