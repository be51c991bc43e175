"""A running Gatehouse, a real MCP server, and the environments of the clients that meet them.

These tests start programs and need the clients' SDKs, so they run only when asked for: `make interop`.
"""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import environments
from demo.browser import Person
from demo.gatehouse import Gatehouse
from demo.processes import ROOT, Server, environment, free_port
from tests.interop.configuration import PASSWORD, REDIRECT_URI, Scene
from tests.interop.document_host import DocumentHost
from tests.interop.house import House, opened
from tests.support import databases

HERE = Path(__file__).resolve().parent
SCRIPT_PATIENCE = 180  # seconds


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path.name.startswith("test_") and config.option.markexpr != "interop":
        return True
    return None


# Client authentication does not depend on the issuer's path, except for signed assertions: one key of three.
ANYWHERE = ("machine-rs256", "machine-eddsa", "person-basic", "person-post")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("interop")
    again = {
        item for item in items if "issuer without path" in item.name and any(client in item.name for client in ANYWHERE)
    }
    config.hook.pytest_deselected(items=list(again))
    items[:] = [item for item in items if item not in again]


@dataclass(frozen=True, slots=True)
class World:
    """One Gatehouse with one MCP server in front of it."""

    gatehouse: Gatehouse
    scene: Scene
    directory: Path
    documents: DocumentHost

    @property
    def issuer(self) -> str:
        return self.gatehouse.issuer

    def ask(self, client_id: str, method: str, **more: Any) -> dict[str, Any]:
        """What a client script is told, as JSON on its command line."""
        ask = {
            "issuer": self.issuer,
            "mcp_server": self.scene.mcp_server,
            "client_id": client_id,
            "method": method,
            "redirect_uri": REDIRECT_URI,
            "username": "bob",
            "password": PASSWORD,
        }
        if method.startswith("client_secret"):
            ask["client_secret"] = self.scene.secret(client_id)
        if method == "private_key_jwt":
            key = self.scene.key(more.get("key", client_id))
            ask |= {"private_key": key.private_pem, "algorithm": key.algorithm}
        return ask | more

    def person(self, username: str = "bob") -> Person:
        return Person(username, PASSWORD)

    def browser_environment(self, username: str, home: Path) -> dict[str, str]:
        """$BROWSER for clients that open one by themselves, and a $HOME for what they keep."""
        browser = home / "browser"
        browser.write_text(
            # In the background: fastmcp waits for its browser to return before it listens for the redirect.
            f'#!/bin/sh\ncd "{ROOT}" && "{sys.executable}" -m tests.interop.as_person {username} {PASSWORD} "$1" &\n'
        )
        browser.chmod(0o755)
        return {"BROWSER": str(browser), "HOME": str(home)}


@pytest.fixture(scope="session", params=["/o", ""], ids=["issuer with path", "issuer without path"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("world")
    port = free_port()
    databases.prepare(directory / "gatehouse.sqlite3")
    with (
        DocumentHost(directory) as documents,
        Gatehouse(directory, path=request.param, settings=documents.settings) as gatehouse,
    ):
        scene = Scene(mcp_server=f"http://127.0.0.1:{port}/mcp", documents=documents.url(""))
        documents.documents |= scene.metadata_documents()
        gatehouse.apply(scene.yaml())
        with Server(
            name="notes",
            command=[str(environments.python("mcp2")), "-m", "demo.notes_server", str(port), gatehouse.metadata_url],
            ready=scene.mcp_server,
            log=directory / "notes.log",
            env=environment(),
        ):
            yield World(gatehouse, scene, directory, documents)


@pytest.fixture(scope="session")
def mcp2() -> Path:
    return environments.python("mcp2")


@pytest.fixture(scope="session")
def mcp1() -> Path:
    return environments.python("mcp1")


@pytest.fixture(scope="session")
def node() -> Path:
    return environments.node()


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, mcp2: Path) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("house"), mcp2) as house:
        yield house


def run(
    program: Path,
    script: str,
    ask: dict[str, Any],
    *,
    person: Person | None = None,
    browser: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Run a client script to its end; the JSON of its last line.

    Where it prints `OPEN url`, `person` goes there; a client that opens a browser itself finds `browser`.
    """
    command = [str(program), str(HERE / script), json.dumps(ask)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT), **(browser or {})),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        typed = None
        if person is not None:
            assert process.stdout is not None
            first = process.stdout.readline()
            if first.startswith("OPEN "):
                typed = person.authorize(first.removeprefix("OPEN ").strip()) + "\n"
        try:
            out, err = process.communicate(typed, timeout=SCRIPT_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"{script} did not end:\n{out}\n{err}")
    assert process.returncode == 0, f"{script} ended with {process.returncode}:\n{out}\n{err}"
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer


def claims(access_token: str) -> dict[str, Any]:
    """The claims of a JWT. The MCP server verifies its signature."""
    payload = access_token.split(".")[1]
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return document


def assert_read_the_notes(answer: dict[str, Any], world: World, client_id: str) -> None:
    """The MCP server accepted the token, and the token has the claims of RFC 9068 and RFC 8707."""
    assert answer["tool"]["notes"]
    assert answer["tool"]["caller"]["client_id"] == client_id
    token = claims(answer["access_token"])
    assert token["iss"] == world.issuer
    assert token["aud"] == world.scene.mcp_server
    assert token["client_id"] == client_id
    assert token["scope"] == "mcp:read"
    assert token["exp"] > time.time()
