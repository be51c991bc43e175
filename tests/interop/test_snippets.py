"""The code of “Protect your server” runs as it is copied, with the versions that its own install line brings."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from authz.console.widgets import snippets
from authz.console.widgets.resource_check import findings
from authz.console.widgets.snippets import INITIALIZE
from authz.protocol.resources import metadata_address
from demo import environments
from demo.gatehouse import Gatehouse
from demo.processes import ROOT, Server, environment, free_port
from tests.support import databases

SECRET = "snippets-secret-0123456789-0123456789-0123456789"
TITLES = ["Python: fastmcp", "Python: the official SDK", "TypeScript: the official SDK"]
CONFIGURATION = """
clients:
  - {{client_id: bot, status: approved, grant_types: [client_credentials], client_secret: {secret}}}
resources:
  - {{identifier: "{server}", scopes: [{{name: "tasks:read"}}]}}
  - {{identifier: "https://other.example.com/mcp", scopes: [{{name: "tasks:read"}}]}}
rules:
  - {{name: All, effect: allow, clients: [bot], grant_types: ["*"], resources: ["*"], scopes: ["*"]}}
"""


@dataclass(frozen=True, slots=True)
class Copied:
    """A server that runs a snippet, at `identifier`; `gatehouse` protects it."""

    gatehouse: Gatehouse
    identifier: str
    session: requests.Session

    def token(self, resource: str) -> str:
        data = {"grant_type": "client_credentials", "resource": resource}
        response = self.session.post(f"{self.gatehouse.issuer}/token", data=data, auth=("bot", SECRET), timeout=20)
        return str(response.json()["access_token"])

    def ask(self, token: str = "") -> requests.Response:
        headers = {"Accept": "application/json, text/event-stream"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        return self.session.post(self.identifier, json=INITIALIZE, headers=headers, timeout=20)


def command(title: str, code: str, directory: Path) -> list[str]:
    if title.startswith("TypeScript"):
        node = environments.node()
        (directory / "node_modules").symlink_to(environments.JAVASCRIPT / "node_modules")
        (directory / "server.mjs").write_text(code)
        return [str(node), "server.mjs"]
    (directory / "server.py").write_text(code)
    return [str(environments.python("mcp2")), "server.py"]


@pytest.fixture(scope="module", params=TITLES)
def copied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copied]:
    directory, port = tmp_path_factory.mktemp("snippet"), free_port()
    identifier = f"http://127.0.0.1:{port}/mcp"
    databases.prepare(directory / "gatehouse.sqlite3")
    with Gatehouse(directory, settings={"WORKERS": "1"}) as gatehouse, requests.Session() as session:
        session.trust_env = False
        gatehouse.apply(CONFIGURATION.format(secret=SECRET, server=identifier))
        values = snippets.Values(
            issuer=gatehouse.issuer, jwks_uri=f"{gatehouse.issuer}/jwks", identifier=identifier, algorithm="RS256",
            scopes=["tasks:read"],
        )  # fmt: skip
        [code] = [snippet.code for snippet in snippets.protect(values) if snippet.title == request.param]
        server = Server(
            name="snippet",
            command=command(request.param, code, directory),
            ready=metadata_address(identifier),
            log=directory / "snippet.log",
            env=environment(),
            cwd=directory,
        )
        with server:
            yield Copied(gatehouse, identifier, session)


def test_it_answers_a_token_for_it(copied: Copied) -> None:
    response = copied.ask(copied.token(copied.identifier))

    assert response.status_code == 200, response.text
    assert "My server" in response.text


def test_attack_without_a_token_it_answers_401(copied: Copied) -> None:
    response = copied.ask()

    assert response.status_code == 401
    assert metadata_address(copied.identifier) in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("token", ["another server's", "none at all"])
def test_attack_other_tokens_are_refused(copied: Copied, token: str) -> None:
    given = copied.token("https://other.example.com/mcp") if token == "another server's" else "x.y.z"

    assert copied.ask(given).status_code == 401


def test_its_metadata_is_as_the_console_wants_it(copied: Copied) -> None:
    document: Any = copied.session.get(metadata_address(copied.identifier), timeout=20).json()

    found = findings(document, identifier=copied.identifier, issuer=copied.gatehouse.issuer, scopes=["tasks:read"])
    assert [finding.sentence for finding in found if finding.level != "good"] == []


def test_the_install_lines_name_the_versions_that_ran() -> None:
    python = (ROOT / "requirements/interop-mcp2.txt").read_text()
    node = json.loads((environments.JAVASCRIPT / "package-lock.json").read_text())["packages"]
    for name, version in (("fastmcp", snippets.FASTMCP), ("mcp", snippets.PYTHON_SDK)):
        assert re.search(rf"^{name}=={re.escape(version)} ", python, re.MULTILINE), name
    for name, version in (
        ("@modelcontextprotocol/sdk", snippets.TYPESCRIPT_SDK),
        ("jose", snippets.JOSE),
        ("express", snippets.EXPRESS),
    ):
        assert node[f"node_modules/{name}"]["version"] == version
