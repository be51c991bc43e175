"""What an MCP server's extensions ask for is asked by the tool, before any person is."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from authz.configuration import apply
from authz.models import AccessRequest
from tests.mcp.conftest import PAYROLL, Agent
from tests.support.extension_packages import forget, installing

Agents = Callable[..., Agent]
CONSENT = "com.example/patient-consent"
SOURCE = "TITLE = 'x'\nFIELDS = [{'name': 'reference', 'label': 'Consent', 'required': True, 'pattern': 'C-[0-9]+'}]\n"
WHY = "The month has to be closed"


def test_the_tool_says_what_is_missing_and_takes_it(agent: Agents, tmp_path: Path) -> None:
    bob = agent("bob")
    with installing(tmp_path) as install:
        install(CONSENT, SOURCE)
        apply(json.dumps({"extensions": {CONSENT: {"enabled": True, "resources": [PAYROLL]}}}))
        said = bob.fails("request_access", server=PAYROLL, reason=WHY)
        assert f"{CONSENT}:reference" in said
        wrong = {CONSENT: {"reference": "<script>"}}
        assert "Consent" in bob.fails("request_access", server=PAYROLL, reason=WHY, fields=wrong)
        assert not AccessRequest.objects.exists()
        given = {CONSENT: {"reference": "C-17"}}
        asked = bob.data("request_access", server=PAYROLL, reason=WHY, fields=given)
        assert AccessRequest.objects.get(pk=asked["request"]).extension_fields == given


def test_attack_a_broken_one_opens_no_request_that_no_one_could_approve(agent: Agents, tmp_path: Path) -> None:
    with installing(tmp_path) as install:
        install(CONSENT, SOURCE)
        apply(json.dumps({"extensions": {CONSENT: {"enabled": True, "resources": [PAYROLL]}}}))
        (tmp_path / "extension_0.py").write_text("raise RuntimeError('upgraded badly')")
        sys.modules.pop("extension_0", None)
        forget()
        assert "It cannot be asked at present" in agent("bob").fails("request_access", server=PAYROLL, reason=WHY)
        assert not AccessRequest.objects.exists()
