"""The examples for bound tokens at work: an agent with a key, a fastmcp server that checks it and passes the call on
with a key of its own, and one that checks that.
"""

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from authz.protocol.resources import metadata_address
from demo import environments
from demo.gatehouse import Gatehouse
from demo.processes import Server, environment, free_port
from tests.support import databases

HERE = Path(__file__).resolve().parent / "python_mcp2"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
SECRET = "bound-only-secret-0123456789-0123456789"


def configuration(notes: str, search: str) -> dict[str, Any]:
    def client(client_id: str, grant_type: str, **more: Any) -> dict[str, Any]:
        return {
            "client_id": client_id,
            "status": "approved",
            "grant_types": [grant_type],
            "client_secret": SECRET,
            **more,
        }

    def rule(client_id: str, resource: str, **more: Any) -> dict[str, Any]:
        return {
            "name": f"{client_id} finds",
            "effect": "allow",
            "clients": [client_id],
            "resources": [resource],
            "scopes": ["find"],
            **more,
        }

    bound = {"scopes": [{"name": "find"}], "dpop_bound_access_tokens_required": True}
    return {
        "clients": [
            client("assistant", "client_credentials", dpop_bound_access_tokens=True),
            client("notes-server", EXCHANGE),
        ],
        "resources": [
            {
                "identifier": notes,
                "exchange_clients": ["notes-server"],
                "scope_mappings": [{"to": search, "scopes": {"find": ["find"]}}],
                **bound,
            },
            {"identifier": search, **bound},
        ],
        "rules": [
            rule("assistant", notes, grant_types=["client_credentials"]),
            rule("notes-server", search, grant_types=[EXCHANGE], through=["assistant"]),
        ],
    }


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the agent, and the thieves of its token, were answered."""
    directory = tmp_path_factory.mktemp("bound")
    ports = [free_port(), free_port()]
    notes, search = (f"http://127.0.0.1:{port}/mcp" for port in ports)
    databases.prepare(directory / "gatehouse.sqlite3")
    with Gatehouse(directory) as gatehouse, ExitStack() as servers:
        gatehouse.apply(json.dumps(configuration(notes, search)))
        there = {"issuer": gatehouse.issuer, "jwks_uri": gatehouse.metadata()["jwks_uri"], "secret": SECRET}
        for name, url, following in (("search-server", search, ""), ("notes-server", notes, search)):
            given = there | {"client_id": name, "url": url, "next": following}
            server = Server(
                name=name,
                command=[str(environments.python("mcp2")), str(HERE / "bound_server.py"), json.dumps(given)],
                ready=metadata_address(url),
                log=directory / f"{name}.log",
                env=environment(),
            )
            servers.enter_context(server)
        asked = {"issuer": gatehouse.issuer, "client_id": "assistant", "secret": SECRET, "url": notes}
        done = subprocess.run(
            [str(environments.python("mcp2")), str(HERE / "bound_agent.py")],
            input=json.dumps(asked),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def test_the_call_goes_through_two_servers_with_a_key_at_each(came: dict[str, Any]) -> None:
    assert came["type"] == "DPoP"
    assert came["answer"] == "milk, asked by notes-server"


def test_no_thief_of_the_token_is_let_in(came: dict[str, Any]) -> None:
    assert came["owner"] != 401
    assert {thief: status for thief, status in came["thieves"].items() if status != 401} == {}
