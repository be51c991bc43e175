"""schemathesis tries the management API against its own description: no 5xx, no undocumented status or media type, no
answer of another shape, nothing wrong that is taken, nothing right that is refused.

The server runs, and the callers are API keys made through the product. CI tries some hundred invented requests; with
SCHEMATHESIS_PHASES=coverage,fuzzing each boundary of each member, ten thousand in some minutes.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from authz.configuration.api_resource import SCOPES
from demo import environments
from demo.gatehouse import Gatehouse
from demo.processes import environment
from tests.support import databases

HERE = Path(__file__).resolve().parent / "schemathesis"
CALLERS = 24
PHASES = os.environ.get("SCHEMATHESIS_PHASES", "fuzzing")
SECRET = "a-secret-of-a-tried-caller-0123456789"
SCOPE = " ".join(SCOPES)


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    directory = tmp_path_factory.mktemp("schemathesis")
    databases.prepare(directory / "gatehouse.sqlite3")
    with Gatehouse(directory, settings={"WORKERS": "1"}) as running:
        running.apply("users: [{username: oscar, role: administrator}]\n")
        yield running


def token(gatehouse: Gatehouse, client_id: str, secret: str) -> str:
    answer = requests.post(
        f"{gatehouse.issuer}/token",
        data={"grant_type": "client_credentials", "resource": api(gatehouse), "scope": SCOPE},
        auth=(client_id, secret),
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def api(gatehouse: Gatehouse) -> str:
    return f"http://127.0.0.1:{gatehouse.port}/api"


@pytest.fixture(scope="module")
def tokens(gatehouse: Gatehouse) -> list[str]:
    """One key by the command; it makes further ones by the API, since each has a limit of requests a minute."""
    made = gatehouse.manage("api_key", "Schemathesis", "--scopes", *SCOPES, "--owner", "oscar")
    found = re.findall(r"^client_(?:id|secret) +(\S+)$", made, re.MULTILINE)
    first = token(gatehouse, *found)
    names = [f"caller-{number}" for number in range(CALLERS)]
    clients = [
        {
            "client_id": name,
            "status": "approved",
            "grant_types": ["client_credentials"],
            "client_secret": SECRET,
        }
        for name in names
    ]
    rule = {"effect": "allow", "clients": names, "grant_types": ["client_credentials"], "scopes": list(SCOPES)}
    file = {"clients": clients, "rules": [rule | {"name": "Callers", "resources": [api(gatehouse)]}]}
    answer = requests.post(
        f"{api(gatehouse)}/v1/configuration", json=file, headers={"Authorization": f"Bearer {first}"}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    return [first, *(token(gatehouse, name, SECRET) for name in names)]


def test_the_api_is_what_it_says(gatehouse: Gatehouse, tokens: list[str], tmp_path: Path) -> None:
    schemathesis = environments.python("schemathesis").parent / "schemathesis"
    done = subprocess.run(
        [
            *(schemathesis, "--config-file", HERE / "schemathesis.toml"),
            *("run", f"{api(gatehouse)}/v1/schema", "--url", f"http://127.0.0.1:{gatehouse.port}"),
            # It would fetch from the network what the tool invents.
            *("--exclude-path", "/api/v1/documents/inspect"),
            *("--phases", PHASES, "--max-examples", "3", "--seed", "1", "--no-color"),
        ],
        env=environment(TOKENS=",".join(tokens), SCHEMATHESIS_HOOKS="hooks", PYTHONPATH=str(HERE), HOME=str(tmp_path)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
