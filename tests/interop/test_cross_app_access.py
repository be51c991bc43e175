"""Enterprise-managed authorization (SEP-990) and workload identity federation (SEP-1933) with the official SDKs."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from demo import environments
from demo.gatehouse import Gatehouse
from demo.processes import ROOT, Server, environment, free_port
from tests.interop.configuration import key_pair
from tests.interop.conftest import HERE, SCRIPT_PATIENCE, claims, run
from tests.interop.cross_app import JWT_BEARER, TOKEN_EXCHANGE, CrossApp, token_request
from tests.interop.document_host import DocumentHost
from tests.support import databases

SUITES_CLIENT = "conformance-test-xaa-client"  # what the conformance suite's IdP calls every client


@pytest.fixture(scope="module")
def cross_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrossApp]:
    directory = tmp_path_factory.mktemp("cross-app")
    for name in ("company", "saas"):
        databases.prepare(directory / f"{name}.sqlite3")
    company = Gatehouse(directory, name="company")
    port = free_port()
    notes = f"http://127.0.0.1:{port}/mcp"
    with DocumentHost(directory) as documents, company:
        settings = dict(documents.settings)
        settings["GATEHOUSE_OUTBOUND_ALLOWED_HOSTS"] += f",127.0.0.1:{company.port}"
        with Gatehouse(directory, name="saas", settings=settings) as saas:
            pair = CrossApp(company, saas, notes, documents)
            pair.configure()
            with Server(
                name="notes",
                command=[str(environments.python("mcp2")), "-m", "demo.notes_server", str(port), saas.metadata_url],
                ready=notes,
                log=directory / "notes.log",
                env=environment(),
            ):
                yield pair


def assert_bob_read_the_notes(answer: dict[str, Any], pair: CrossApp) -> None:
    assert answer["tool"]["notes"]
    token = claims(answer["access_token"])
    assert (token["iss"], token["aud"]) == (pair.saas.issuer, pair.notes)
    assert token["client_id"] == "assistant-of-the-company"
    assert token["scope"] == "mcp:read"
    assert token["auth_time"] > time.time() - 600


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_python_sdk_crosses_from_app_to_app(cross_app: CrossApp, mcp2: Path, method: str) -> None:
    cross_app.method = method
    cross_app.configure()
    assert_bob_read_the_notes(run(mcp2, "python_mcp2/cross_app.py", cross_app.ask()), cross_app)


def test_the_typescript_provider_crosses_from_app_to_app(cross_app: CrossApp, node: Path) -> None:
    cross_app.method = "client_secret_basic"
    cross_app.configure()
    assert_bob_read_the_notes(run(node, "javascript/cross_app.mjs", cross_app.ask()), cross_app)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_typescript_functions_cross_from_app_to_app(cross_app: CrossApp, node: Path, method: str) -> None:
    cross_app.method = method
    cross_app.configure()
    answer = run(node, "javascript/cross_app.mjs", cross_app.ask(steps="by hand"))
    assert_bob_read_the_notes(answer, cross_app)
    assert jwt.get_unverified_header(answer["id_jag"])["typ"] == "oauth-id-jag+jwt"
    id_jag = claims(answer["id_jag"])
    assert (id_jag["iss"], id_jag["aud"]) == (cross_app.company.issuer, cross_app.saas.issuer)
    assert (id_jag["resource"], id_jag["client_id"]) == (cross_app.notes, "assistant-of-the-company")


def test_a_workload_needs_no_secret(cross_app: CrossApp, mcp2: Path) -> None:
    """A platform signs for its workloads; the request names no client at all (SEP-1933)."""
    platform, key = cross_app.documents.url("/platform"), key_pair("ES256")
    cross_app.documents.documents["/platform/keys"] = key.jwks
    workload = {
        "client_id": "night-shift",
        "status": "approved",
        "grant_types": [JWT_BEARER],
        "token_endpoint_auth_method": "none",
    }
    trusted = {
        "issuer": platform,
        "jwks_uri": f"{platform}/keys",
        "accepts": ["workload"],
        "workloads": [{"subject": "spiffe://company.example/night-shift", "client_id": "night-shift"}],
    }
    rule = {
        "name": "The night shift reads notes",
        "effect": "allow",
        "clients": ["night-shift"],
        "grant_types": [JWT_BEARER],
        "resources": [cross_app.notes],
        "scopes": ["mcp:read"],
    }
    cross_app.add("saas", clients=[workload], trusted_issuers=[trusted], rules=[rule])
    cross_app.configure()

    now = int(time.time())
    assertion = jwt.encode(
        {
            "iss": platform,
            "sub": "spiffe://company.example/night-shift",
            "aud": cross_app.saas.issuer,
            "iat": now,
            "exp": now + 300,
            "jti": str(uuid.uuid4()),
        },
        key.private_pem,
        algorithm="ES256",
        headers={"kid": "ES256-1"},
    )
    asked = {"grant_type": JWT_BEARER, "assertion": assertion, "resource": cross_app.notes, "scope": "mcp:read"}
    answer = token_request(cross_app.saas.issuer, asked)
    assert "refresh_token" not in answer
    ask = {"mcp_server": cross_app.notes, "access_token": answer["access_token"]}
    tool = run(mcp2, "python_mcp2/with_token.py", ask)["tool"]
    assert tool["caller"]["client_id"] == "night-shift"


def test_fastmcp_redeems_our_id_jag(cross_app: CrossApp, mcp2: Path, tmp_path: Path) -> None:
    """Another product's resource authorization server accepts our ID-JAG."""
    port = free_port()
    house, notes = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/mcp"
    target = {
        "issuer": house,
        "resources": [{"identifier": notes, "scopes": ["notes:read"]}],
        "client_ids": {"desk-assistant": "assistant-at-fastmcp"},
    }
    rule = {
        "name": "Engineers may go to fastmcp's notes",
        "effect": "allow",
        "clients": ["desk-assistant"],
        "groups": ["engineering"],
        "grant_types": [TOKEN_EXCHANGE],
        "resources": [notes],
        "scopes": ["notes:read"],
    }
    cross_app.add("company", resource_authorization_servers=[target], rules=[rule])
    cross_app.configure()
    script = str(HERE / "python_mcp2/fastmcp_house.py")
    company = cross_app.company
    with Server(
        name="fastmcp",
        command=[str(mcp2), script, str(port), company.issuer, company.metadata()["jwks_uri"]],
        ready=notes,
        log=tmp_path / "fastmcp.log",
        env=environment(),
    ):
        id_jag = cross_app.id_jag(audience=house, resource=notes, scope="notes:read")
        asked = {"grant_type": JWT_BEARER, "assertion": id_jag, "client_id": "assistant-at-fastmcp"}
        answer = token_request(house, asked)
        ask = {"mcp_server": notes, "access_token": answer["access_token"]}
        assert run(mcp2, "python_mcp2/with_token.py", ask)["tool"]["notes"]


def of_the_suite(pair: CrossApp, node: Path, directory: Path, scenario: str, client: str) -> dict[str, Any]:
    """What the suite gave a client of its scenario; the suite's keys are published for the software house."""
    answer_file, keys_file = directory / "answer.json", directory / "keys.json"
    command = [
        *(
            str(node),
            "--import",
            str(HERE / "javascript/publish_keys.mjs"),
            str(HERE / "node_modules/.bin/conformance"),
        ),
        *("client", "--scenario", scenario, "--command", f"{sys.executable} -m {client} {answer_file}"),
    ]
    env = environment(PUBLISHED_KEYS=str(keys_file))
    # The suite itself reports a failure, because no client uses its own resource authorization server.
    suite = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=SCRIPT_PATIENCE, check=False
    )
    assert answer_file.exists(), suite.stdout + suite.stderr
    # Each scenario has keys of its own and gives them no kid, so each has an address of its own: keys are cached.
    pair.documents.documents[f"/suite/{scenario}"] = json.loads(keys_file.read_text())
    given: dict[str, Any] = json.loads(answer_file.read_text())
    return given


def test_we_redeem_an_id_jag_of_the_conformance_suites_idp(
    cross_app: CrossApp, mcp2: Path, node: Path, tmp_path: Path
) -> None:
    """Another product's IdP authorization server: the suite's. It names no scope and no kid, and publishes no keys."""
    client = f"tests.interop.exchange_at_the_suite {cross_app.saas.issuer} {cross_app.notes}"
    given = of_the_suite(cross_app, node, tmp_path, "auth/enterprise-managed-authorization", client)
    registered = {
        "client_id": SUITES_CLIENT,
        "client_secret": cross_app.secret("suite"),
        "status": "approved",
        "grant_types": [JWT_BEARER],
        "token_endpoint_auth_method": "client_secret_basic",
    }
    trusted = {
        "issuer": given["issuer"],
        "jwks_uri": cross_app.documents.url("/suite/auth/enterprise-managed-authorization"),
        "accepts": ["id-jag"],
        "subjects": {"match": ["sub"], "create": True},
    }
    rule = {
        "name": "The suite's people read notes",
        "effect": "allow",
        "clients": [SUITES_CLIENT],
        "groups": ["*"],
        "grant_types": [JWT_BEARER],
        "resources": [cross_app.notes],
        "scopes": ["mcp:read"],
    }
    cross_app.add("saas", clients=[registered], trusted_issuers=[trusted], rules=[rule])
    cross_app.configure()

    asked = {"grant_type": JWT_BEARER, "assertion": given["id_jag"]}
    answer = token_request(cross_app.saas.issuer, asked, basic=(SUITES_CLIENT, cross_app.secret("suite")))
    ask = {"mcp_server": cross_app.notes, "access_token": answer["access_token"]}
    tool = run(mcp2, "python_mcp2/with_token.py", ask)["tool"]
    assert tool["caller"]["client_id"] == SUITES_CLIENT


def test_we_redeem_a_workload_assertion_of_the_conformance_suite(
    cross_app: CrossApp, mcp2: Path, node: Path, tmp_path: Path
) -> None:
    """`auth/wif-jwt-bearer` gives its client three: one is good, one for another audience, one has expired
    (SEP-1933).
    """
    given = of_the_suite(cross_app, node, tmp_path, "auth/wif-jwt-bearer", "tests.interop.context_of_the_suite")
    said = claims(given["valid_jwt"])
    workload = {
        "client_id": given["client_id"],
        "status": "approved",
        "grant_types": [JWT_BEARER],
        "token_endpoint_auth_method": "none",
    }
    trusted = {
        "issuer": said["iss"],
        "jwks_uri": cross_app.documents.url("/suite/auth/wif-jwt-bearer"),
        "accepts": ["workload"],
        # The suite writes its own authorization server, like platforms with a fixed audience.
        "audience": [said["aud"]],
        "workloads": [{"subject": said["sub"], "client_id": given["client_id"]}],
    }
    rule = {
        "name": "The suite's workload reads notes",
        "effect": "allow",
        "clients": [given["client_id"]],
        "grant_types": [JWT_BEARER],
        "resources": [cross_app.notes],
        "scopes": ["mcp:read"],
    }
    cross_app.add("saas", clients=[workload], trusted_issuers=[trusted], rules=[rule])
    cross_app.configure()

    asked = {"grant_type": JWT_BEARER, "resource": cross_app.notes, "scope": "mcp:read"}
    for name in ("wrong_audience_jwt", "expired_jwt"):
        refused = requests.post(f"{cross_app.saas.issuer}/token", data=asked | {"assertion": given[name]}, timeout=60)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant"), name
    answer = token_request(cross_app.saas.issuer, asked | {"assertion": given["valid_jwt"]})
    ask = {"mcp_server": cross_app.notes, "access_token": answer["access_token"]}
    assert run(mcp2, "python_mcp2/with_token.py", ask)["tool"]["caller"]["client_id"] == given["client_id"]
