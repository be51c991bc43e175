"""The samples in examples/extensions, built and installed by pip like strangers' packages, and removed again."""

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import yaml
from django.test import Client as Browser

from authz.approvals import extension_fields
from authz.approvals.voting import NotDecided
from authz.configuration import ConfigurationError, apply
from authz.configuration.sections import exported
from authz.database import configuration_cache
from authz.extensions.listing import announced, listed
from authz.models import AuditEvent
from demo.gatehouse import Gatehouse
from demo.processes import ROOT
from tests.approvals.test_approvers import approve, bob_asks, hold, person
from tests.interop.test_installing import made, run
from tests.support import databases, world
from tests.support.extension_packages import forget
from tests.support.world import NOTES, SECRET, World, claims

pytestmark = [pytest.mark.interop, pytest.mark.django_db]
CONSENT, PAYMENT = "com.example/patient-consent", "com.example/payment-approval"
OFFLINE = ("--no-deps", "--no-index", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("samples")
    python = made(folder / "build", sys.executable, "build") / "python"
    for name in ("patient-consent", "payment-approval"):
        copy = shutil.copytree(ROOT / "examples/extensions" / name, folder / name)
        run(python, "-m", "pip", "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", folder, copy, cwd=folder)
    return sorted(folder.glob("*.whl"))


@pytest.fixture
def installed(wheels: list[Path], tmp_path: Path) -> Iterator[Path]:
    """A fresh folder on the path into which pip has installed both."""
    target = tmp_path / "site"
    run(sys.executable, "-m", "pip", "install", *OFFLINE, "--target", target, *wheels, cwd=tmp_path)
    sys.path.insert(0, str(target))
    forget()
    try:
        yield target
    finally:
        sys.path.remove(str(target))
        for name in ("example_patient_consent", "example_payment_approval"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        forget()


def switch_on(rules: list[dict[str, object]] | None = None) -> None:
    extensions = {
        CONSENT: {"enabled": True, "resources": [NOTES], "registry": "https://consents.example.com"},
        PAYMENT: {"enabled": True, "resources": [NOTES], "limit": 1000},
    }
    apply(json.dumps({"extensions": extensions, "rules": rules or []}))
    configuration_cache.begin()  # as the next request does


def test_they_are_off_until_apply_switches_them_on(gatehouse: World, installed: Path) -> None:
    assert [(one.identifier, one.state, one.version) for one in listed()] == [
        (CONSENT, "off", "1.0.0"),
        (PAYMENT, "off", "1.0.0"),
    ]
    switch_on()
    gatehouse.machine_token(resource=NOTES)
    assert announced() == [CONSENT, PAYMENT]
    assert [one.state for one in listed()] == ["on", "on"]
    assert exported()["extensions"][PAYMENT] == {"enabled": True, "resources": [NOTES], "limit": 1000}
    assert AuditEvent.objects.filter(event="configuration:object:created", detail__section="extensions").exists()


def test_a_large_payment_with_a_consent_needs_two_approvers(gatehouse: World, installed: Path) -> None:
    hold()
    request = bob_asks(gatehouse)
    switch_on()
    first, second = person("quentin", role="approver"), person("paula", role="approver")
    with pytest.raises(NotDecided, match="Consent reference, Amount"):
        approve(request, first)
    given = {CONSENT: {"reference": "C-2026-0001"}, PAYMENT: {"amount": 1000.01}}
    extension_fields.give(request, by=world.person("bob"), given=given, now=datetime.now(UTC))
    request.refresh_from_db()
    assert approve(request, first) == "open"
    assert approve(request, second) == "approved"
    event = AuditEvent.objects.get(event=f"{CONSENT}:cited")
    assert event.detail["reported"]["reference"] == "C-2026-0001"
    browser = Browser()
    browser.force_login(person("alice", role="administrator"))
    page = browser.get("/console/extensions/").content.decode()
    assert "Payment approval" in page
    assert "<td>" in page


def test_a_rule_demands_the_consent_and_the_token_names_the_registry(gatehouse: World, installed: Path) -> None:
    rule: dict[str, object] = {
        "name": "Not without a consent", "effect": "deny", "clients": ["nightly-report"], "resources": [NOTES],
        "scopes": ["*"], "conditions": {"extensions": {CONSENT: {"since": 2026}}},
    }  # fmt: skip
    switch_on()
    token = gatehouse.machine_token(resource=NOTES)["access_token"]
    assert claims(token)[CONSENT] == {"registry": "https://consents.example.com"}
    switch_on([rule])
    asked = {"grant_type": "client_credentials", "resource": NOTES, "scope": "mcp:read"}
    assert gatehouse.token(basic=("nightly-report", SECRET), **asked).status_code == 400


def test_a_server_that_runs_announces_them_and_says_what_they_say_in_tokens(wheels: list[Path], tmp_path: Path) -> None:
    """As an organisation has it: pip, `apply`, a client. No process of this test knows the packages."""
    target = tmp_path / "site"
    run(sys.executable, "-m", "pip", "install", *OFFLINE, "--target", target, *wheels, cwd=tmp_path)
    databases.prepare(tmp_path / "gatehouse.sqlite3")
    settings = {"GATEHOUSE_MCP": "1", "PYTHONPATH": str(target)}
    with Gatehouse(tmp_path, settings=settings) as gatehouse, requests.Session() as session:
        session.trust_env = False
        mcp = f"{gatehouse.issuer}/mcp"
        document = yaml.safe_load(world.configuration())
        own = {"identifier": mcp, "name": "Gatehouse", "scopes": [{"name": "access:read"}]}
        rule = {
            "name": "It asks here", "effect": "allow", "clients": ["nightly-report"], "resources": [mcp],
            "scopes": ["access:read"], "grant_types": ["client_credentials"],
        }  # fmt: skip
        document |= {"resources": [*document["resources"], own], "rules": [*document["rules"], rule]}
        payment = {"enabled": True, "resources": [NOTES], "limit": 1000}
        gatehouse.apply(json.dumps(document | {"extensions": {PAYMENT: payment}}))

        def token(resource: str) -> str:
            asked = {"grant_type": "client_credentials", "resource": resource}
            answer = session.post(f"{gatehouse.issuer}/token", asked, auth=("nightly-report", SECRET), timeout=30)
            found: str = answer.json()["access_token"]
            return found

        # What is off says nothing.
        assert CONSENT not in claims(token(NOTES))
        consent = {"enabled": True, "resources": [NOTES], "registry": "https://consents.example.com"}
        gatehouse.apply(json.dumps({"extensions": {PAYMENT: payment, CONSENT: consent}}))
        assert claims(token(NOTES))[CONSENT] == {"registry": "https://consents.example.com"}
        version = "2026-07-28"
        meta = {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        answer = session.post(
            mcp,
            json={"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}},
            headers={
                "Accept": "application/json, text/event-stream",
                "Authorization": f"Bearer {token(mcp)}",
                "MCP-Protocol-Version": version,
                "Mcp-Method": "server/discover",
            },
            timeout=30,
        )
        assert {CONSENT, PAYMENT} <= answer.json()["result"]["capabilities"]["extensions"].keys(), answer.text
        assert CONSENT in gatehouse.manage("export")


def test_removed_again_without_residue(gatehouse: World, installed: Path) -> None:
    switch_on()
    for path in installed.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    forget()
    with pytest.raises(ConfigurationError, match="is not a known installed extension"):
        apply(json.dumps({"extensions": exported()["extensions"]}))
    # Tokens of the servers that depend on it are refused until the configuration lets go of it.
    asked = {"grant_type": "client_credentials", "resource": NOTES, "scope": "mcp:read"}
    assert gatehouse.token(basic=("nightly-report", SECRET), **asked).status_code == 503
    apply(json.dumps({"extensions": {}}))
    assert {CONSENT, PAYMENT}.isdisjoint(claims(gatehouse.machine_token(resource=NOTES)["access_token"]))
    assert listed() == []
