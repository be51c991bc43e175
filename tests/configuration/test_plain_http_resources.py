"""MCP servers inside a cluster without TLS: only on hosts that are listed, by the same rule at every door."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from pytest_django import Settings

from authz import resources
from authz.configuration import apply
from authz.configuration.document import ConfigurationError
from authz.database import configuration_cache
from authz.models import ProtectedResource
from authz.protocol.errors import OAuthError
from demo.processes import ROOT
from tests.spellings.doors import administrator
from tests.support.world import SECRET, World, claims

pytestmark = pytest.mark.any_database

LISTED = frozenset({"mcp", "tools.internal:9100", "10.0.0.7", "[fd00::7]"})
INSIDE = "http://mcp:9100/mcp"
FILE = """
resources:
  - identifier: {identifier}
    scopes: [{{name: "inside:read"}}]
rules:
  - {{name: Inside, effect: allow, clients: [nightly-report], grant_types: [client_credentials],
     resources: ["{identifier}"], scopes: ["inside:read"]}}
"""


@pytest.fixture
def listed(settings: Settings) -> Settings:
    settings.GATEHOUSE = settings.GATEHOUSE | {"PLAIN_HTTP_RESOURCES": LISTED}
    return settings


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (INSIDE, INSIDE),
        ("http://MCP:9100/mcp", INSIDE),
        ("http://mcp/mcp", "http://mcp/mcp"),
        ("http://mcp:80/mcp", "http://mcp/mcp"),
        ("http://tools.internal:9100", "http://tools.internal:9100"),
        ("http://10.0.0.7:8000/mcp", "http://10.0.0.7:8000/mcp"),
        ("http://[fd00::7]/mcp", "http://[fd00::7]/mcp"),
        ("http://localhost:9200/mcp", "http://localhost:9200/mcp"),
        ("https://anywhere.example/mcp", "https://anywhere.example/mcp"),
        ("http://tools.internal:9101", None),
        ("http://tools.internal", None),
        ("http://mcp.evil.example/mcp", None),
        ("http://evil-mcp/mcp", None),
        ("http://mcp@evil.example/mcp", None),
        ("http://10.0.0.70/mcp", None),
        ("ftp://mcp/mcp", None),
        ("http://mcp:9100/mcp#x", None),
    ],
)
def test_which(listed: Settings, written: str, canonical: str | None) -> None:
    assert resources.readable(written) == canonical


def test_a_listed_one_is_applied_and_has_tokens(gatehouse: World, listed: Settings) -> None:
    apply(FILE.format(identifier=INSIDE))
    answer = gatehouse.machine_token(resource="http://MCP:9100/mcp")
    assert claims(answer["access_token"])["aud"] == INSIDE


def test_another_is_refused_with_the_settings_name(gatehouse: World, listed: Settings) -> None:
    with pytest.raises(ConfigurationError, match="GATEHOUSE_PLAIN_HTTP_RESOURCES"):
        apply(FILE.format(identifier="http://other:9100/mcp"))


def test_one_that_is_listed_no_longer_is_unknown_and_shuts_nothing_else(gatehouse: World, listed: Settings) -> None:
    apply(FILE.format(identifier=INSIDE))
    listed.GATEHOUSE = listed.GATEHOUSE | {"PLAIN_HTTP_RESOURCES": frozenset()}
    configuration_cache.forget()
    assert ProtectedResource.objects.filter(identifier=INSIDE).exists()
    assert gatehouse.machine_token()["scope"] == "mcp:read"
    refused = gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials", resource=INSIDE)
    assert json.loads(refused.content)["error"] == "invalid_target"
    with pytest.raises(OAuthError):
        resources.canonical(INSIDE)


@pytest.mark.parametrize("item", ["*", "*.internal", "http://mcp", "mcp:", "mcp:x", "mcp/x", "-mcp", "user@mcp"])
def test_what_names_no_host_stops_the_server(item: str) -> None:
    refused = subprocess.run(
        [sys.executable, "-c", "import authz.settings"],
        cwd=ROOT,
        env=os.environ | {"GATEHOUSE_PLAIN_HTTP_RESOURCES": item},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "GATEHOUSE_PLAIN_HTTP_RESOURCES takes hosts" in refused.stderr


# Every door that takes a resource from an administrator judges by the same rule, and names the setting.
OTHERS = [
    (INSIDE, True),
    ("http://mcp/mcp", True),
    ("http://tools.internal:9100", True),
    ("http://10.0.0.7:8000/mcp", True),
    ("http://[fd00::7]/mcp", True),
    ("http://localhost:9201/mcp", True),
    ("https://anywhere.example/mcp", True),
    ("http://tools.internal:9101", False),
    ("http://tools.internal", False),
    ("http://mcp.evil.example/mcp", False),
    ("http://10.0.0.70/mcp", False),
    ("http://mcp@evil.example/mcp", False),
]
ROWS = {
    f"scopes-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS")
} | {"scopes-MAX_NUM_FORMS": "1000"}  # fmt: skip


def at_the_api(identifier: str) -> str:
    path = f"/api/v1/configuration/resources/{quote(identifier, safe='')}"
    answer = administrator().put(path, {"identifier": identifier}, content_type="application/json")
    assert answer.status_code in {201, 422}
    return answer.content.decode()


def at_the_console(identifier: str) -> str:
    form = {
        "identifier": identifier, "name": "Inside", "access_token_lifetime": "300",
        "access_token_signing_alg": "ES256", "pending_answer": "always", **ROWS,
    }  # fmt: skip
    answer: Any = administrator().post("/console/authz/protectedresource/add/", form)
    assert answer.status_code in {200, 302}
    return str(answer.content.decode())


@pytest.mark.parametrize("door", [at_the_api, at_the_console])
@pytest.mark.parametrize(("identifier", "is_taken"), OTHERS)
def test_the_same_at_the_other_doors(
    gatehouse: World, listed: Settings, identifier: str, is_taken: bool, door: Callable[[str], str]
) -> None:
    said = door(identifier)
    assert ProtectedResource.objects.filter(identifier=identifier).exists() is is_taken, said
    assert ("GATEHOUSE_PLAIN_HTTP_RESOURCES" in said) is not is_taken


@pytest.mark.parametrize("spelling", [INSIDE, "http://MCP:9100/mcp"])
def test_the_simulators_answer_for_a_listed_one(gatehouse: World, listed: Settings, spelling: str) -> None:
    apply(FILE.format(identifier=INSIDE))
    asked = {"client_id": "nightly-report", "grant_type": "client_credentials", "scope": "inside:read"}
    told = administrator().get("/api/v1/policy/explain", asked | {"resource": spelling})
    assert (told.status_code, told.json()["effect"]) == (200, "allow"), told.content
    page = administrator().get("/console/simulator/", asked | {"resource": INSIDE}).content.decode()
    assert "<h2>Allowed</h2>" in page
