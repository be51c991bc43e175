"""What operators ask of the API: keys, the audit's proofs, messages, limits, documents, identities."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client as Browser

from authz import keys
from authz.evidence import sealer
from authz.models import AuditEvent, SigningKey
from demo.processes import ROOT
from tests.api.conftest import Caller, problem
from tests.support.world import World


@pytest.fixture
def alice(person: Callable[[str], Caller]) -> Caller:
    return person("administrator")


def body(response: object) -> dict:
    assert response.status_code == 200, response.content  # type: ignore[attr-defined]
    return json.loads(response.content)  # type: ignore[attr-defined]


def test_a_key_is_rotated_and_retired(alice: Caller, gatehouse: World) -> None:
    before = {key["kid"]: key for key in alice.get("keys")["items"]}
    assert {key["alg"] for key in before.values()} == set(keys.ALGORITHMS)
    assert {key["stage"] for key in before.values()} == {"signing"}
    old = next(kid for kid, key in before.items() if key["alg"] == "ES256")

    made = body(alice("POST", "keys/rotate", {"alg": "ES256"}))
    assert (made["alg"], made["stage"]) == ("ES256", "published")
    assert "d" not in made["public_jwk"]
    assert body(alice("POST", "keys/rotate", {"alg": "ES256", "now": True}))["kid"] == made["kid"]
    retired = body(alice("POST", f"keys/{old}/retire", {"compromised": True}))
    assert retired["stage"] == "gone"
    assert SigningKey.objects.get(kid=old).expires is not None
    assert AuditEvent.objects.filter(event__startswith="key:signing:").count() >= 3


@pytest.mark.parametrize(
    ("path", "given", "pointer"),
    [
        ("keys/rotate", {"alg": "HS256"}, "#/alg"),
        ("keys/rotate", {}, "#/alg"),
        ("keys/rotate", {"alg": "RS256", "now": "yes"}, "#/now"),
        ("keys/rotate", {"alg": "RS256", "kid": "x"}, "#/kid"),
        ("keys/x/retire", {"compromised": 1}, "#/compromised"),
        ("documents/inspect", {}, "#/url"),
    ],
)
def test_a_wrong_call_names_the_member(alice: Caller, path: str, given: dict, pointer: str) -> None:
    response = alice("POST", path, given)
    assert response.status_code == 422
    assert problem(response)["errors"][0]["pointer"] == pointer


def test_a_key_that_is_not_there(alice: Caller) -> None:
    assert alice("POST", "keys/nothing/retire", {}).status_code == 404


def test_an_event_is_proved_offline(alice: Caller, gatehouse: World, tmp_path: Path) -> None:
    gatehouse.machine_token()
    event = AuditEvent.objects.filter(event="token:access:issued").latest("id").pk
    assert problem(alice("GET", f"audit_events/{event}/proof"))["status"] == 409
    sealer.seal_all()

    seals = alice.get("audit_seals")
    assert seals["size"] >= 1
    (tmp_path / "proof.json").write_text(json.dumps(alice.get(f"audit_events/{event}/proof")))
    (key,) = seals["verifier_keys"]
    done = subprocess.run(
        [sys.executable, ROOT / "tools/verify_audit_proof.py", tmp_path / "proof.json", "--key", key],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_messages_without_their_texts(alice: Caller, gatehouse: World) -> None:
    hook = {"url": "https://hooks.example.com/", "secret": "whsec_" + "QUJD" * 10}
    assert alice("PUT", "configuration/webhooks/Hook", {"name": "Hook", **hook}, if_none_match="*").status_code == 201
    alice("POST", "agents", {"client_name": "Tool", "grant_types": ["client_credentials"]})
    found = alice.get("notifications")["items"]
    assert {item["webhook"] for item in found if item["webhook"]} <= {"Hook"}
    assert all("body" not in item and "data" not in item for item in found)
    assert alice.get("notifications?state=delivered")["items"] == []
    assert alice("GET", "notifications?state=lost").status_code == 422


def test_the_limits_are_those_of_the_settings(alice: Caller) -> None:
    limits = {item["limit"]: item["rate"] for item in alice.get("rate_limits")["items"]}
    assert limits["sign_in:account"] == "10/5 minute"
    assert limits["token:client"] == "none"
    assert limits["api:write"] == "120/minute"


def test_documents_and_identities(alice: Caller) -> None:
    assert alice.get("documents")["items"] == []
    assert alice.get("subject_links?username=bob")["items"] == []
    found = body(alice("POST", "documents/inspect", {"url": "http://client.example.com/"}))
    assert found["outcome"] == "The document is refused."
    assert found["checks"][0]["verdict"] == "refused"


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/agent", "/v1/agents/", "/v2/agents", "/v1/keys/a/b/c"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_that_is_not_there_is_a_problem(gatehouse: World, method: str, path: str) -> None:
    response = Browser().generic(method, f"/api{path}")
    assert response.status_code == 404
    assert problem(response)["status"] == 404


def test_what_is_open_to_everyone_is_limited_by_address(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack: the document is asked for in a loop."""
    monkeypatch.setattr("authz.api.framework.view.READS", "3/m")
    browser, other = Browser(REMOTE_ADDR="192.0.2.7"), Browser(REMOTE_ADDR="192.0.2.8")
    codes = [browser.get("/api/v1/schema").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    assert browser.get("/api/none").status_code == 429
    assert other.get("/api/v1/schema").status_code == 200


def test_the_reference_shows_every_operation_from_this_origin(gatehouse: World) -> None:
    from authz.api.framework.schema import document

    page = Browser().get("/api/v1/reference").content.decode()
    for path, operations in document()["paths"].items():
        for method in operations:
            assert f"<code>{method.upper()} {path}</code>" in page
    assert "<script" not in page
    assert "://" not in page.replace("https://hooks", "").partition("<main")[0]
