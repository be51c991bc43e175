"""Claims of extensions in access tokens."""

import json
from typing import Any

import pytest

from authz.configuration import apply
from authz.models import AuditEvent
from tests.support.extension_packages import Install
from tests.support.world import NOTES, PAYROLL, SECRET, World, claims

pytestmark = pytest.mark.django_db
DEPARTMENT = "com.example/department"


def configured(install: Install, body: str, *resources: str) -> None:
    install(DEPARTMENT, f"TITLE = 'Department'\ndef claim(facts, settings):\n    {body}\n")
    apply(json.dumps({"extensions": {DEPARTMENT: {"enabled": True, "resources": resources or [NOTES]}}}))


def ask(gatehouse: World) -> Any:
    return gatehouse.token(
        basic=("nightly-report", SECRET), grant_type="client_credentials", resource=NOTES, scope="mcp:read"
    )


def test_it_stands_under_its_id(gatehouse: World, install: Install) -> None:
    configured(install, "return {'of': facts['agent']['owner']}")
    assert claims(gatehouse.machine_token(resource=NOTES)["access_token"])[DEPARTMENT] == {"of": "alice"}


def test_attack_a_claim_that_shadows_a_registered_one(gatehouse: World, install: Install) -> None:
    configured(install, "return {'sub': 'alice', 'scope': 'mcp:write', 'aud': 'https://elsewhere.example'}")
    found = claims(gatehouse.machine_token(resource=NOTES, scope="mcp:read")["access_token"])
    assert (found["sub"], found["scope"], found["aud"]) == ("nightly-report", "mcp:read", NOTES)


JUNK = {
    "raises": "raise RuntimeError('no')",
    "hangs": "import time; time.sleep(0.5)",
    "no JSON": "return object()",
    "no number": "return float('nan')",
    "too long": "return 'x' * 3000",
    "endless": "found = []; found.append(found); return found",
}


@pytest.mark.parametrize("body", JUNK.values(), ids=JUNK)
def test_attack_a_fault_refuses_the_token_that_depends_on_it(gatehouse: World, install: Install, body: str) -> None:
    configured(install, body)
    response = ask(gatehouse)
    assert json.loads(response.content)["error"] == "temporarily_unavailable"
    refusal = AuditEvent.objects.filter(event="token:access:refused").latest("id")
    assert (refusal.reason, refusal.detail["detail"]) == ("extension_failed", f"{DEPARTMENT} (claim)")


@pytest.mark.parametrize("body", JUNK.values(), ids=JUNK)
def test_a_broken_one_leaves_tokens_of_other_servers_untouched(gatehouse: World, install: Install, body: str) -> None:
    configured(install, body, PAYROLL)
    found = claims(gatehouse.machine_token(resource=NOTES)["access_token"])
    assert DEPARTMENT not in found
    assert not AuditEvent.objects.filter(event="extension:call:failed").exists()
