"""Three real fastmcp servers, each of which asks the next one for its caller; and no later call passes once any part of
the chain has ended.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from authz.protocol.resources import metadata_address
from demo import environments
from demo.gatehouse import Gatehouse
from demo.processes import Server, environment, free_port
from tests.interop.test_decided_calls import REDIRECT, token_of_bob
from tests.support import databases

HERE = Path(__file__).resolve().parent
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
SERVERS = ("notes-server", "search-server", "archive-server")


def configuration(urls: list[str]) -> dict[str, Any]:
    def resource(position: int) -> dict[str, Any]:
        following = urls[position + 1 : position + 2]
        return {
            "identifier": urls[position],
            "introspection_clients": [SERVERS[position]],
            "exchange_clients": [SERVERS[position]],
            "scopes": [{"name": "pay"}],
            "scope_mappings": [{"to": url, "scopes": {"pay": ["pay"]}} for url in following],
        }

    def rule(position: int) -> dict[str, Any]:
        return {
            "name": f"{SERVERS[position]} asks the next",
            "effect": "allow",
            "clients": [SERVERS[position]],
            "through": ["assistant", *SERVERS[:position]],
            "groups": ["staff"],
            "grant_types": [EXCHANGE],
            "resources": [urls[position + 1]],
            "scopes": ["pay"],
        }

    first = {
        "name": "Staff use Notes",
        "effect": "allow",
        "clients": ["assistant"],
        "groups": ["staff"],
        "grant_types": ["authorization_code"],
        "resources": [urls[0]],
        "scopes": ["pay"],
    }
    assistant = {
        "client_id": "assistant",
        "status": "approved",
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "none",
        "redirect_uris": [REDIRECT],
    }
    return {
        "users": [{"username": "bob", "password": "bob-password", "groups": ["staff"]}],
        "clients": [
            assistant,
            *(
                {"client_id": name, "status": "approved", "grant_types": [EXCHANGE], "client_secret": secret(name)}
                for name in SERVERS
            ),
        ],
        "resources": [resource(position) for position in range(3)],
        "rules": [first, rule(0), rule(1)],
    }


def secret(name: str) -> str:
    return f"{name}-0123456789-0123456789-0123456789"


@dataclass(frozen=True, slots=True)
class Running:
    gatehouse: Gatehouse
    urls: list[str]

    def ask(self, token: str) -> str:
        """The assistant calls Notes, with fastmcp's client."""
        program = [str(environments.python("mcp2")), str(HERE / "calling_client.py")]
        asked = {"url": self.urls[0], "token": token, "calls": [["find", {"words": "milk"}]], "elicits": False}
        done = subprocess.run(
            program,
            input=json.dumps(asked),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        # A client that is not let in at all ends with an error.
        return str(json.loads(done.stdout.splitlines()[-1])[0]) if done.returncode == 0 else f"refused {done.stderr}"

    def token(self) -> str:
        return token_of_bob(self.gatehouse, self.urls[0])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("delegation")
    ports = [free_port() for _ in SERVERS]
    urls = [f"http://127.0.0.1:{port}/mcp" for port in ports]
    databases.prepare(directory / "gatehouse.sqlite3")
    with Gatehouse(directory, settings={"WORKERS": "2"}) as gatehouse, ExitStack() as servers:
        gatehouse.apply(json.dumps(configuration(urls)))
        for position, name in enumerate(SERVERS):
            given = {
                "port": ports[position],
                "issuer": gatehouse.issuer,
                "client_id": name,
                "secret": secret(name),
                "scope": "pay",
                "next": urls[position + 1] if position < 2 else "",
            }
            server = Server(
                name=name,
                command=[
                    str(environments.python("mcp2")),
                    str(HERE / "python_mcp2/passing_server.py"),
                    json.dumps(given),
                ],
                ready=metadata_address(urls[position]),
                log=directory / f"{name}.log",
                env=environment(),
            )
            servers.enter_context(server)
        yield Running(gatehouse, urls)


ANSWER = "milk for bob → assistant → notes-server → search-server"


def test_a_call_goes_through_three_servers_for_its_person(running: Running) -> None:
    assert ANSWER in running.ask(running.token())


def test_no_later_call_passes_once_the_root_the_middle_or_a_rule_has_ended(running: Running) -> None:
    manage = running.gatehouse.manage

    # At a rule, in the middle: the first server still answers, and what it asks for is refused.
    token = running.token()
    assert ANSWER in running.ask(token)
    rules = configuration(running.urls)["rules"]
    running.gatehouse.apply(json.dumps({"rules": [rules[2] | {"enabled": False}]}))
    assert ANSWER not in running.ask(token)
    running.gatehouse.apply(json.dumps({"rules": [rules[2]]}))
    assert ANSWER in running.ask(token)

    # In the middle: the agent that Search is.
    manage("end_access", "client", "search-server", "--reason", "a try")
    assert ANSWER not in running.ask(token)
    manage("end_access", "client", "search-server", "--undo")
    token = running.token()
    assert ANSWER in running.ask(token)

    # At the root: everything that the person's agent was given.
    manage("end_access", "person", "bob", "--reason", "a try")
    assert ANSWER not in running.ask(token)
