"""Clients with metadata documents: they are not registered, and their documents are served over TLS."""

import json
import subprocess
from pathlib import Path

import pytest

from demo.processes import environment, free_port
from tests.interop.conftest import HERE, SCRIPT_PATIENCE, World, assert_read_the_notes, claims, run
from tests.interop.test_conformance import conformance, passed


@pytest.fixture
def browser(world: World, tmp_path: Path) -> dict[str, str]:
    """The environment of a client that opens a browser by itself: the browser is Bob, and $HOME is empty."""
    return world.browser_environment("bob", tmp_path)


def test_the_python_sdk_signs_in_by_its_url(world: World, mcp2: Path) -> None:
    url = world.documents.url("/notes-reader.json")
    ask = world.ask(url, "none", client_metadata_url=url)
    del ask["client_id"]
    answer = run(mcp2, "python_mcp2/person.py", ask)
    assert_read_the_notes(answer, world, url)
    assert answer["client_id"] == url
    assert claims(answer["refreshed_access_token"])["client_id"] == url
    assert answer["sign_ins"] == 1


def test_an_unattended_agent_has_a_url_and_a_key(world: World, mcp2: Path) -> None:
    url = world.documents.url("/indexer.json")
    ask = world.ask(url, "private_key_jwt", key="indexer")
    answer = run(mcp2, "python_mcp2/machine.py", ask)
    assert_read_the_notes(answer, world, url)


def test_fastmcps_client_signs_in_by_its_url(world: World, mcp2: Path, browser: dict[str, str]) -> None:
    url = world.documents.url("/notes-reader.json")
    ask = world.ask(url, "none", client_metadata_url=url)
    answer = run(mcp2, "python_mcp2/fastmcp_person.py", ask, browser=browser)
    assert_read_the_notes(answer, world, url)


def test_the_inspector_signs_in_by_its_url(world: World, node: Path, browser: dict[str, str]) -> None:
    url = world.documents.url("/notes-reader.json")
    command = [
        *(str(node), str(HERE / "node_modules/.bin/mcp-inspector"), "--cli"),
        *("--server-url", world.scene.mcp_server, "--transport", "http", "--client-metadata-url", url),
        *("--callback-url", f"http://127.0.0.1:{free_port()}/oauth/callback"),
        *("--method", "tools/call", "--tool-name", "read_notes", "--format", "json"),
    ]
    settings = {"MCP_AUTO_OPEN_ENABLED": "true", "MCP_INSPECTOR_SECRET_STORE": "memory"}
    env = environment(**browser, **settings)
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=SCRIPT_PATIENCE, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])["result"]["structuredContent"]
    assert answer["notes"]
    assert answer["caller"]["client_id"] == url


def test_mcp_remote_signs_in_by_its_url(world: World, mcp2: Path, node: Path, browser: dict[str, str]) -> None:
    url = world.documents.url("/notes-reader.json")
    command = [str(node), str(HERE / "node_modules/.bin/mcp-remote"), world.scene.mcp_server, str(free_port())]
    ask = world.ask(
        url,
        "none",
        command=[*command, "--client-metadata-url", url, "--allow-http"],
        env=environment(**browser, MCP_REMOTE_CONFIG_DIR=browser["HOME"]),
    )
    answer = run(mcp2, "python_mcp2/through_mcp_remote.py", ask)
    assert answer["tool"]["notes"]
    assert answer["tool"]["caller"]["client_id"] == url


def test_the_conformance_suite_passes_with_a_url_as_client_id(world: World, node: Path) -> None:
    options = ["--client-id", world.documents.url("/notes-reader.json"), "--port", str(free_port())]
    transcript = conformance(node, world, *options, "--resource", world.scene.mcp_server)
    assert passed(transcript, "authorization-server-metadata-endpoint") == "2 passed, 0 failed"
    assert passed(transcript, "authorization-code-grant") == "1 passed, 0 failed"
    assert "WARNING" not in transcript
