"""mcp-authlab, a conformance scanner: it signs in as a client would, probes the server on the way, and grades both."""

import json
import subprocess
from pathlib import Path

from demo.processes import environment, free_port
from tests.interop.configuration import PAYROLL
from tests.interop.conftest import SCRIPT_PATIENCE, World


def authlab(mcp2: Path, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(mcp2.parent / "mcp-authlab"), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=SCRIPT_PATIENCE, check=False)


def test_the_scanner_finds_nothing_to_complain_of(world: World, mcp2: Path, tmp_path: Path) -> None:
    env = environment(**world.browser_environment("bob", tmp_path))
    # Signing in probes already: without PKCE, with a wrong verifier, with another redirect URI, for two resources.
    login = authlab(
        mcp2,
        env,
        *("login", world.scene.mcp_server, "--client-id", "person-none", "--redirect-port", str(free_port())),
        *("--foreign-resource", PAYROLL, "--thorough"),
    )
    assert login.returncode == 0, login.stdout + login.stderr
    scan = authlab(mcp2, env, "scan", world.scene.mcp_server, "--format", "json")
    report = json.loads(scan.stdout)
    assert report["coverage"]["ran"] == report["coverage"]["applicable"]
    complaints = {check["id"]: check["message"] for check in report["results"] if check["status"] != "pass"}
    # Here everything is plain http, on loopback.
    assert set(complaints) == {"TLS-01"}, complaints
