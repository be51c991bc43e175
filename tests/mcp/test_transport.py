"""The transport: what a request must be, in both eras of the protocol, and attacks on it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser

from authz.conf import conf
from authz.configuration import apply
from authz.models import AuditEvent
from tests.mcp.conftest import TASKS, VERSION, Agent, address
from tests.support.extension_packages import installing
from tests.support.world import World

Agents = Callable[..., Agent]
LEGACY = "2025-11-25"


def rpc(method: str, params: Any = None, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, **({} if params is None else {"params": params}), **more}


def test_discovery_says_what_there_is(agent: Agents) -> None:
    found = agent().result("server/discover")

    assert found["supportedVersions"] == ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"]
    assert found["capabilities"]["tools"] == {}
    assert set(found["capabilities"]["extensions"]) == {
        "io.modelcontextprotocol/tasks",
        "io.modelcontextprotocol/auth/dpop",
        "io.modelcontextprotocol/oauth-client-credentials",
        "io.modelcontextprotocol/enterprise-managed-authorization",
    }
    assert found["resultType"] == "complete"
    assert found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "gatehouse"


def test_an_organisations_own_extension_is_announced_while_it_is_on(agent: Agents, tmp_path: Path) -> None:
    own, client = "com.example/patient-consent", agent()
    with installing(tmp_path) as install:
        install(own)
        assert own not in client.result("server/discover")["capabilities"]["extensions"]
        apply(json.dumps({"extensions": {own: {"enabled": True}}}))
        assert client.result("server/discover")["capabilities"]["extensions"][own] == {}
        apply(json.dumps({"extensions": {}}))
        assert own not in client.result("server/discover")["capabilities"]["extensions"]


def test_a_method_of_an_extension_that_is_not_here_is_refused_cleanly(agent: Agents) -> None:
    assert agent().error("com.example/other/do")["code"] == -32601


def test_it_is_off_by_default(gatehouse: World) -> None:
    response = Agent("any").send("server/discover")

    assert response.status_code == 404
    assert json.loads(response.content)["error"] == "not_found"


def test_tools_say_what_they_do(agent: Agents) -> None:
    found = {tool["name"]: tool for tool in agent("alice").result("tools/list")["tools"]}

    assert found["explain_access"]["annotations"]["readOnlyHint"] is True
    assert found["end_access"]["annotations"]["destructiveHint"] is True
    for tool in found.values():
        assert tool["inputSchema"]["additionalProperties"] is False
        assert tool["outputSchema"]["type"] == "object"
        assert tool["description"]


# (what is changed in a good request, HTTP status, code)
MALFORMED: dict[str, tuple[dict[str, Any], int, int]] = {
    "no version header": ({"MCP-Protocol-Version": None}, 400, -32020),
    "another version in the header": ({"MCP-Protocol-Version": LEGACY}, 400, -32020),
    "no method header": ({"Mcp-Method": None}, 400, -32020),
    "another method in the header": ({"Mcp-Method": "tools/list"}, 400, -32020),
    "no name header": ({"Mcp-Name": None}, 400, -32020),
    "another name in the header": ({"Mcp-Name": "end_access"}, 400, -32020),
    "a name in broken base64": ({"Mcp-Name": "=?base64?%%%?="}, 400, -32020),
    "another media type": ({"Content-Type": "text/plain"}, 400, -32600),
}


@pytest.mark.parametrize(("headers", "status", "code"), MALFORMED.values(), ids=MALFORMED.keys())
def test_headers_agree_with_the_body(agent: Agents, headers: dict[str, Any], status: int, code: int) -> None:
    response = agent().send("tools/call", {"name": "my_access", "arguments": {}}, **headers)

    assert (response.status_code, json.loads(response.content)["error"]["code"]) == (status, code)


def test_a_name_may_come_in_base64(agent: Agents) -> None:
    params = {"name": "my_access", "arguments": {}}
    assert agent().send("tools/call", params, **{"Mcp-Name": "=?base64?bXlfYWNjZXNz?="}).status_code == 200


META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
# Attack 35 and the transport's own: (body, HTTP status, code)
JUNK: dict[str, tuple[object, int, int]] = {
    "no JSON": (b"{", 400, -32700),
    "duplicate names": (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', 400, -32700),
    "no UTF-8": (b"\xff\xfe", 400, -32700),
    "half a surrogate pair": (b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', 400, -32700),
    "deep nesting": (b'{"a":' * 40 + b"1" + b"}" * 40, 400, -32700),
    "a batch": ([rpc("ping"), rpc("ping")], 400, -32600),
    "an empty batch": ([], 400, -32600),
    "another version of JSON-RPC": (rpc("ping") | {"jsonrpc": "1.0"}, 400, -32600),
    "no method": ({"jsonrpc": "2.0", "id": 1}, 400, -32600),
    "a response": ({"jsonrpc": "2.0", "id": 1, "result": {}}, 400, -32600),
    "id null": (rpc("ping", id=None), 400, -32600),
    "id true": (rpc("ping", id=True), 400, -32600),
    "an endless id": (rpc("ping", id="x" * 300), 400, -32600),
    "params as a list": (rpc("tools/list", []), 400, -32602),
    "an unknown version": (rpc("tools/list", {"_meta": META | {next(iter(META)): "1900-01-01"}}), 400, -32022),
    "a version that is a number": (rpc("tools/list", {"_meta": META | {next(iter(META)): 1}}), 400, -32602),
    "no capabilities": (rpc("tools/list", {"_meta": {next(iter(META)): VERSION}}), 400, -32602),
    "capabilities as a list": (
        rpc("tools/list", {"_meta": META | {"io.modelcontextprotocol/clientCapabilities": []}}),
        400,
        -32602,
    ),
    "an unknown method": (rpc("resources/list", {"_meta": META}), 404, -32601),
    "a legacy method in a modern request": (rpc("ping", {"_meta": META}), 404, -32601),
    "a cursor": (rpc("tools/list", {"_meta": META, "cursor": "2"}), 400, -32602),
    "an unknown tool": (rpc("tools/call", {"_meta": META, "name": "approve"}), 400, -32602),
    "a tool that is no name": (rpc("tools/call", {"_meta": META, "name": 7}), 400, -32602),
    "arguments as a text": (rpc("tools/call", {"_meta": META, "name": "my_access", "arguments": "x"}), 400, -32602),
}


@pytest.mark.parametrize(("body", "status", "code"), JUNK.values(), ids=JUNK.keys())
def test_junk_is_refused(agent: Agents, body: Any, status: int, code: int) -> None:
    params = body.get("params") if isinstance(body, dict) else None
    said = params.get("_meta", {}) if isinstance(params, dict) else {}
    version = said.get("io.modelcontextprotocol/protocolVersion", VERSION)
    headers = {"MCP-Protocol-Version": str(version)}
    if isinstance(body, dict):
        headers["Mcp-Method"] = str(body.get("method"))
        if isinstance(params, dict) and "name" in params:
            headers["Mcp-Name"] = str(params["name"])
    if isinstance(params, dict) and params.get("name") == 7:
        code = -32020  # no header can say that
    response = agent().post(body, **headers)

    assert (response.status_code, json.loads(response.content)["error"]["code"]) == (status, code)
    assert "result" not in json.loads(response.content)


def test_a_huge_body_is_refused(agent: Agents) -> None:
    response = agent().post(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"x" * 70_000 + b'"}}')
    assert response.status_code == 413


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD"])
def test_there_is_neither_a_stream_nor_a_session(served: World, method: str) -> None:
    response = Browser().generic(method, address())
    assert response.status_code == 405
    assert response["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:9", "null", "http://127.0.0.1:8000.evil"])
def test_pages_of_other_origins_are_refused(agent: Agents, origin: str) -> None:
    """DNS rebinding: a page whose name leads here now sends its own origin."""
    response = agent().send("tools/list", Origin=origin)

    assert response.status_code == 403
    assert AuditEvent.objects.filter(event="mcp:request:refused", reason="mcp_origin_foreign").count() == 1
    assert "Access-Control-Allow-Origin" not in response


def test_its_own_origin_is_none_of_others(agent: Agents) -> None:
    assert agent().send("tools/list", Origin=conf.origin).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "127.0.0.1:8000@evil.example"])
def test_another_host_is_refused(agent: Agents, host: str) -> None:
    """DNS rebinding, by the Host header."""
    assert agent().send("tools/list", Host=host).status_code == 400


def test_no_browser_may_read_it(served: World) -> None:
    response = Browser().options(address(), headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in response


class TestEarlierRevisions:
    """2025-11-25 and before begin with `initialize`. There is no session to fix or to steal."""

    def test_the_handshake(self, agent: Agents) -> None:
        client = agent()
        hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
        response = client.post(rpc("initialize", hello))
        found = json.loads(response.content)["result"]

        assert found["protocolVersion"] == LEGACY
        assert found["capabilities"]["tools"] == {}
        # Tasks are of the later revision.
        assert set(found["capabilities"]["extensions"]) == {
            "io.modelcontextprotocol/auth/dpop",
            "io.modelcontextprotocol/oauth-client-credentials",
            "io.modelcontextprotocol/enterprise-managed-authorization",
        }
        assert "resultType" not in found
        assert "Mcp-Session-Id" not in response
        note = client.post(
            {"jsonrpc": "2.0", "method": "notifications/initialized"}, **{"MCP-Protocol-Version": LEGACY}
        )
        assert (note.status_code, note.content) == (202, b"")
        assert json.loads(client.post(rpc("ping"), **{"MCP-Protocol-Version": LEGACY}).content)["result"] == {}

    def test_another_revision_is_answered_with_the_latest_of_them(self, agent: Agents) -> None:
        found = json.loads(agent().post(rpc("initialize", {"protocolVersion": "1900-01-01"})).content)
        assert found["result"]["protocolVersion"] == LEGACY

    def test_tools_are_called(self, agent: Agents) -> None:
        called = rpc("tools/call", {"name": "my_access", "arguments": {}})
        found = json.loads(agent().post(called, **{"MCP-Protocol-Version": LEGACY}).content)["result"]
        assert found["structuredContent"]["authorizations"][0]["server"] == conf.endpoint("mcp")

    def test_an_error_is_an_answer(self, agent: Agents) -> None:
        response = agent().post(rpc("tasks/get", {"taskId": "x"}), **{"MCP-Protocol-Version": LEGACY})
        assert (response.status_code, json.loads(response.content)["error"]["code"]) == (200, -32601)

    def test_a_session_id_of_a_client_is_none(self, agent: Agents) -> None:
        """Session fixation: what a client, or who gave it the header, calls its session counts for nothing."""
        bob, alice = agent("bob"), agent("alice")
        fixed = {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": "fixed-by-the-attacker"}
        for client in (bob, alice):
            response = client.post(rpc("tools/list"), **fixed)
            assert response.status_code == 200
            assert "Mcp-Session-Id" not in response
        # Capabilities that were said in a handshake are none in another request.
        assert "error" in json.loads(bob.post(rpc("tasks/get", {"taskId": "x"}), **fixed).content)


def test_no_console_session_counts(served: World) -> None:
    """A browser that is signed in brings its cookies, and they are nothing here."""
    served.sign_in("alice")
    client = Agent("nonsense", browser=served.browser)
    assert client.send("tools/list", Authorization=None).status_code == 401
    assert client.that_can(TASKS).send("tools/list").status_code == 401
