"""Gateways that check requests: the client's token, the gateway's own credentials, and the body. What is not good is
refused before the rules are asked.
"""

import json
import time
from typing import Any

import pytest

from authz.authorizations import removal
from authz.configuration import apply
from authz.limits.refusal_sampling import SOURCE_BURST, SOURCE_RATE
from tests.decision_point.conftest import SERVER
from tests.decision_point.gateway import INITIALIZED, METADATA, Gateway, events, rpc, tool, with_rules
from tests.support import world
from tests.support.world import NOTES, World, basic_header


@pytest.fixture
def gate(gatehouse: World) -> Gateway:
    return with_rules(gatehouse)


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
    began = time.monotonic()
    assert {gate.check(tool("search")).status_code for _ in range(150)} == {401}
    seconds = time.monotonic() - began
    gate.token = good
    assert gate.check(tool("search")).status_code == 200
    recorded = events("decision:refused")
    assert 0 < len(recorded) <= SOURCE_BURST + 1 + seconds * SOURCE_RATE
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
