"""What an MCP server's extensions ask for is asked by the tool, before any person is."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from authz.configuration import apply
from authz.models import AccessRequest
from tests.mcp.conftest import FORM, PAYROLL, TASKS, Agent
from tests.support.extension_packages import forget, installing

Agents = Callable[..., Agent]
CONSENT = "com.example/patient-consent"
REFERENCE = f"{CONSENT}:reference"
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


def accepted(key: str, **content: Any) -> dict[str, Any]:
    return {key: {"action": "accept", "content": content}}


def test_a_task_asks_for_what_is_missing_until_it_fits(agent: Agents, tmp_path: Path) -> None:
    bob = agent("bob").that_can(TASKS, FORM)
    with installing(tmp_path) as install:
        install(CONSENT, SOURCE)
        apply(json.dumps({"extensions": {CONSENT: {"enabled": True, "resources": [PAYROLL]}}}))
        task = bob.call("request_access", server=PAYROLL)
        assert task["status"] == "input_required"
        named = {"taskId": task["taskId"]}

        def asked() -> tuple[str, dict[str, Any]]:
            ((key, form),) = bob.result("tasks/get", named)["inputRequests"].items()
            return key, form["params"]["requestedSchema"]

        first, schema = asked()
        assert schema["required"] == ["reason", REFERENCE]
        assert schema["properties"][REFERENCE] == {
            "type": "string", "minLength": 1, "maxLength": 200, "title": "Consent",
        }  # fmt: skip
        answer = accepted(first, reason=WHY, **{REFERENCE: "<script>"})
        bob.result("tasks/update", {**named, "inputResponses": answer})
        second, schema = asked()
        assert second != first
        # The reason was good.
        assert schema["required"] == [REFERENCE]
        # Attack: an answer to a question that was answered.
        bob.result("tasks/update", {**named, "inputResponses": accepted(first, **{REFERENCE: "C-666"})})
        assert AccessRequest.objects.get().extension_fields in (None, {})
        bob.result("tasks/update", {**named, "inputResponses": accepted(second, **{REFERENCE: "C-17"})})
        assert bob.result("tasks/get", named)["status"] == "working"
        row = AccessRequest.objects.get()
        assert (row.reason, row.extension_fields) == (WHY, {CONSENT: {"reference": "C-17"}})


def test_a_client_that_shows_forms_is_asked_before_anyone_is(agent: Agents, tmp_path: Path) -> None:
    bob = agent("bob").that_can(FORM)
    with installing(tmp_path) as install:
        install(CONSENT, SOURCE)
        apply(json.dumps({"extensions": {CONSENT: {"enabled": True, "resources": [PAYROLL]}}}))
        found = bob.call("request_access", server=PAYROLL, reason=WHY)
        assert found["resultType"] == "input_required"
        schema = found["inputRequests"]["reason"]["params"]["requestedSchema"]
        assert schema["required"] == [REFERENCE]
        assert not AccessRequest.objects.exists()
        wrong = bob.call("request_access", accepted("reason", **{REFERENCE: "x"}), server=PAYROLL, reason=WHY)
        assert wrong["isError"]
        assert not AccessRequest.objects.exists()
        declined = bob.call("request_access", {"reason": {"action": "decline"}}, server=PAYROLL, reason=WHY)
        assert "nothing was asked" in declined["content"][0]["text"]
        bob.call("request_access", accepted("reason", **{REFERENCE: "C-17"}), server=PAYROLL, reason=WHY)
        assert AccessRequest.objects.get().extension_fields == {CONSENT: {"reference": "C-17"}}


def test_a_task_of_a_client_without_forms_is_refused_before_anyone_is_asked(agent: Agents, tmp_path: Path) -> None:
    bob = agent("bob").that_can(TASKS)
    with installing(tmp_path) as install:
        install(CONSENT, SOURCE)
        apply(json.dumps({"extensions": {CONSENT: {"enabled": True, "resources": [PAYROLL]}}}))
        assert REFERENCE in bob.fails("request_access", server=PAYROLL, reason=WHY)
        assert not AccessRequest.objects.exists()


def test_attack_a_broken_one_opens_no_request_that_no_one_could_approve(agent: Agents, tmp_path: Path) -> None:
    with installing(tmp_path) as install:
        install(CONSENT, SOURCE)
        apply(json.dumps({"extensions": {CONSENT: {"enabled": True, "resources": [PAYROLL]}}}))
        (tmp_path / "extension_0.py").write_text("raise RuntimeError('upgraded badly')")
        sys.modules.pop("extension_0", None)
        forget()
        assert "It cannot be asked at present" in agent("bob").fails("request_access", server=PAYROLL, reason=WHY)
        assert not AccessRequest.objects.exists()
