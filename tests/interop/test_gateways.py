"""Gateways before an MCP server, with the files of deploy/gateways: a real MCP client's calls are decided there, by
configuration alone. The server behind them asks nothing.
"""

import base64
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from demo import environments
from demo.gatehouse import Gatehouse
from demo.processes import ROOT, Server, environment, free_port
from tests.interop.test_decided_calls import CONFIGURATION, PAGE, PAY, REDIRECT, SECRET, Running, token_of_bob
from tests.support import databases

SERVER = '''
from fastmcp import FastMCP

mcp = FastMCP("Payments")


@mcp.tool
def hello() -> str:
    """Say hello."""
    return "Hello"


@mcp.tool
def pay_out(to: str, amount: float, note: str = "") -> str:
    """Pay."""
    return f"paid {{amount:g}} to {{to}}"


@mcp.custom_route("/.well-known/oauth-protected-resource/mcp", methods=["GET"])
async def metadata(request):
    from starlette.responses import JSONResponse

    return JSONResponse({{"resource": "{identifier}", "authorization_servers": ["{issuer}"]}})


mcp.run(transport="http", host="127.0.0.1", port={port}, path="/mcp")
'''


def filled_in(name: str, identifier: str) -> str:
    basic = base64.b64encode(f"pay-server:{SECRET}".encode()).decode()
    text = (ROOT / "deploy/gateways" / name).read_text()
    return text.replace("GATEWAY_BASIC", basic).replace("https://notes.example.com/mcp", identifier)


def gateway(kind: str, directory: Path, identifier: str, ports: tuple[int, int], gatehouse: str) -> list[str]:
    """The command that runs it. `ports`: its own, and the MCP server's."""
    listens, server = ports
    if kind == "nginx":
        conf = filled_in("nginx.conf", identifier).replace("https://auth.example.com", f"http://{gatehouse}")
        conf = conf.replace("listen 8443", f"listen 127.0.0.1:{listens}").replace("9400", str(server))
        conf = re.sub(r".*proxy_ssl_.*\n", "", conf)
        whole = (
            f"daemon off; pid {directory}/nginx.pid; error_log stderr; events {{}}\nhttp {{ access_log off;\n{conf}}}"
        )
        (directory / "nginx.conf").write_text(whole)
        return ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")]
    (directory / f"{kind}.yaml").write_text(filled_in(f"{kind}.yaml", identifier))
    module = [sys.executable, "-m", "tests.support.gateways", kind, str(directory / f"{kind}.yaml")]
    return [*module, str(listens), str(server), gatehouse]


@contextmanager
def behind(kind: str, directory: Path) -> Iterator[Running]:
    port, listens = free_port(), free_port()
    identifier = f"http://127.0.0.1:{listens}/mcp"
    databases.prepare(directory / "gatehouse.sqlite3")
    with Gatehouse(directory, settings={"WORKERS": "2"}) as gatehouse:
        gatehouse.apply(CONFIGURATION.format(secret=SECRET, server=identifier, redirect=REDIRECT))
        at = urlsplit(gatehouse.origin).netloc
        (directory / "server.py").write_text(SERVER.format(identifier=identifier, issuer=gatehouse.issuer, port=port))
        server = Server(
            name="server",
            command=[str(environments.python("mcp2")), "server.py"],
            ready=f"http://127.0.0.1:{port}/.well-known/oauth-protected-resource/mcp",
            log=directory / "server.log",
            env=environment(),
            cwd=directory,
        )
        before = Server(
            name=kind,
            command=gateway(kind, directory, identifier, (listens, port), at),
            ready=f"http://127.0.0.1:{listens}/.well-known/oauth-protected-resource/mcp",
            log=directory / f"{kind}.log",
            env=environment(PYTHONPATH=str(ROOT)),
            cwd=directory,
        )
        with server, before:
            yield Running(gatehouse, identifier, token_of_bob(gatehouse, identifier))


@pytest.fixture(scope="module", params=["envoy", "agentgateway"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with behind(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found


def post(running: Running, body: Any, **headers: str) -> requests.Response:
    sent = {"Authorization": f"Bearer {running.token}", "Accept": "application/json, text/event-stream", **headers}
    with requests.Session() as session:
        session.trust_env = False
        return session.post(running.identifier, json=body, headers=sent, timeout=60)


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def test_held_approved_and_made_once(running: Running) -> None:
    said, held = running.call(["hello", {}], PAY)
    assert said == {"answer": "Hello"}
    # The client shows its person why, and where.
    found = PAGE.search(held["refused"])
    assert found is not None, held
    running.approve(found[1])
    other = ["pay_out", {**PAY[1], "amount": 251}]
    came = running.call(other, PAY, PAY)
    assert "refused" in came[0] and came[1] == {"answer": "paid 250 to DE12"} and "refused" in came[2], came


def test_a_client_without_a_token_finds_the_authorization_server(running: Running) -> None:
    answer = post(running, call("hello"), Authorization="")
    assert answer.status_code == 401
    found = re.search(r'resource_metadata="([^"]+)"', answer.headers["WWW-Authenticate"])
    assert found is not None
    assert requests.get(found[1], timeout=30).json()["authorization_servers"] == [running.gatehouse.issuer]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (call("hello", q="x" * 70_000), {}, 413),  # by the gateway: nothing is cut
        ([call("hello"), call("pay_out", to="DE13", amount=1)], {}, 403),
        # The client brings the gateway's own headers.
        (call("hello"), {"Gatehouse-Authorization": "Basic eDp5", "Gatehouse-Resource": "https://x.example"}, None),
        (call("pay_out", to="DE13", amount=1), {"Gatehouse-Resource": "https://x.example"}, 403),
        (call("pay_out", to="DE13", amount=1), {"X-Envoy-Auth-Partial-Body": "false"}, 403),
    ],
)
def test_attacks(running: Running, body: Any, headers: dict[str, str], status: int | None) -> None:
    answer = post(running, body, **headers)
    # None: it reaches the MCP server, which knows no such session.
    assert answer.status_code == status if status else answer.status_code not in {401, 403}


def test_without_a_decision_no_call_is_made(running: Running) -> None:
    running.gatehouse.manage("agents", "suspend", "pay-server", "--by", "olga")
    answer = post(running, call("hello"))
    assert answer.status_code in {400, 403}
    assert answer.json()["error"]["message"]
    running.gatehouse.manage("agents", "approve", "pay-server", "--by", "olga", "--owner", "bob")


def test_nginx_decides_tokens_and_no_calls(tmp_path: Path) -> None:
    with behind("nginx", tmp_path) as running:
        # It passes no body on, so the call that a rule holds is made: the MCP server has to ask, too.
        assert running.call(["hello", {}], PAY) == [{"answer": "Hello"}, {"answer": "paid 250 to DE12"}]
        refused = post(running, call("hello"), Authorization="Bearer nonsense")
        assert refused.status_code == 401
        assert "resource_metadata=" in refused.headers["WWW-Authenticate"]
        running.gatehouse.manage("agents", "suspend", "assistant", "--by", "olga")
        assert post(running, call("hello")).status_code == 401
