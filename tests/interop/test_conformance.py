"""The official MCP conformance suite, authorization mode."""

import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from demo.processes import environment, free_port
from tests.interop.conftest import HERE, SCRIPT_PATIENCE, World


def conformance(node: Path, world: World, *options: str) -> str:
    """Run the suite. Where it prints the authorization URL, Bob goes there and then to the callback it waits on."""
    command = [str(node), str(HERE / "node_modules/.bin/conformance"), "authorization", "--url", world.issuer, *options]
    transcript = []
    with subprocess.Popen(
        command, cwd=world.directory, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        patience = threading.Timer(SCRIPT_PATIENCE, process.kill)
        patience.start()
        for line in process.stdout:
            transcript.append(line)
            if re.match(r"https?://\S+[?&]code_challenge=", line):
                bob = world.person()
                assert bob.session.get(bob.authorize(line.strip()), timeout=10).ok
        patience.cancel()
    text = "".join(transcript)
    assert process.returncode == os.EX_OK, text
    return text


# Its exit code is 0 for SKIPPED and WARNING too, so its sentences are what counts.
def passed(transcript: str, scenario: str) -> str:
    found = re.search(rf"^\S+ {scenario}: (.+)$", transcript, re.MULTILINE)
    assert found, transcript
    return found[1]


@pytest.mark.parametrize("with_resource", [True, False], ids=["with resource", "without resource"])
def test_the_suite_passes(world: World, node: Path, with_resource: bool) -> None:
    # A public client: where `none` is among the server's methods the suite uses it, even with --client-secret.
    options = ["--client-id", "person-none", "--port", str(free_port())]
    if with_resource:
        options += ["--resource", world.scene.mcp_server]
    transcript = conformance(node, world, *options)
    assert passed(transcript, "authorization-server-metadata-endpoint") == "2 passed, 0 failed"
    assert passed(transcript, "authorization-code-grant") == "1 passed, 0 failed"
