"""Attack 32: personal data in calls. What is in arguments, claims, names, reports and paths of questions to the
decision point is in no log, no metric and no error, and in the audit only where a rule, the server's `shown_arguments`
or the form of an event names it.
"""

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tests.attacks.test_32_canaries import AUDIT, BREAK
from tests.support import databases, processes, world
from tests.support.processes import RunningGatehouse
from tests.support.world import NOTES, SERVER_SECRET, basic_header

METRICS_TOKEN = f"metrics-{secrets.token_hex(24)}"
CALLER = ("notes-server", SERVER_SECRET)
QUESTIONS = ("evaluation", "evaluations", "requests", "search/subject", "search/resource", "search/action")


def configuration() -> str:
    named, rules = f"identifier: {NOTES}\n", "\nrules:\n"
    asks = "    decision_clients: [notes-server]\n    claims_clients: [notes-server]\n    shown_arguments: [shown]\n"
    review = f"""
  - {{name: People review payments, effect: require_approval, clients: ["*"], groups: [engineering],
     resources: ["{NOTES}"], scopes: ["*"], tools: ["pay_*"], approvers: {{users: [alice]}}}}
  - {{name: No deleting, effect: deny, clients: ["*"], groups: [engineering],
     resources: ["{NOTES}"], scopes: ["*"], tools: ["delete_*"]}}
"""
    return world.configuration().replace(named, named + asks).replace(rules, rules + review, 1)


@dataclass
class Asked:
    """A server, what went into it, and what it answered. `values` may be nowhere, `names` in the audit alone, `shown`
    in the audit and in access requests."""

    server: RunningGatehouse
    token: str
    values: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    answers: list[requests.Response] = field(default_factory=list)

    def value(self) -> str:
        return _new(self.values)

    def name(self) -> str:
        return _new(self.names)

    def post(self, endpoint: str, body: object) -> requests.Response:
        content = body if isinstance(body, str) else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        return self._keep("POST", f"access/v1/{endpoint}", data=content, headers=headers, auth=CALLER)

    def check(self, body: object, token: str = "", path: str = "/mcp", **headers: str) -> requests.Response:
        content = body if isinstance(body, str) else json.dumps(body)
        gateway = {"Gatehouse-Authorization": basic_header(*CALLER), "Gatehouse-Resource": NOTES}
        sent = gateway | {"Authorization": f"Bearer {token or self.token}"} | headers
        return self._keep("POST", f"access/v1/ext_authz{path}", data=content, headers=sent)

    def _keep(self, method: str, endpoint: str, **more: Any) -> requests.Response:
        answer = self.server.ask(method, self.server.url(endpoint), **more)
        self.answers.append(answer)
        return answer

    def arguments(self) -> dict[str, Any]:
        return {
            self.value(): self.value(),
            "email": f"{self.value()}@example.com",
            "shown": _new(self.shown),
            "deep": [self.value()],
        }

    def question(self, tool: str, subject: dict[str, Any] | None = None) -> dict[str, Any]:
        return {
            "subject": subject or {"type": "token", "id": self.token, "properties": {"email": self.value()}},
            "action": {"name": "tools/call", "properties": {"arguments": self.arguments()}},
            "resource": {"type": "tool", "id": tool, "properties": {"note": self.value()}},
            "context": {"person": self.value()},
        }

    def message(self, tool: str) -> dict[str, Any]:
        params = {"name": tool, "arguments": self.arguments(), "_meta": {"x": self.value()}}
        return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def _new(kept: set[str]) -> str:
    kept.add(made := f"canary-{secrets.token_hex(12)}")
    return made


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    directory = tmp_path_factory.mktemp("canaries")
    settings = {"GATEHOUSE_LOG_FORMAT": "json", "GATEHOUSE_METRICS_TOKEN": METRICS_TOKEN}
    with (
        databases.database(directory, configuration()) as url,
        processes.running(url, directory, **settings) as server,
    ):
        token = server.redeem(server.code()).json()["access_token"]
        found = Asked(server, token)
        questions(found)
        messages(found)
        reports(found)
        malformed(found)
        assert {answer.status_code for answer in found.answers} >= {200, 202, 400, 401, 403, 413}
        server.manage("shell", "-v0", "-c", BREAK)
        broken(found)
        yield found


def questions(asked: Asked) -> None:
    """Allowed, denied, held, and asked about; by the token, by claims, and by claims of people who are not here."""
    claims = json.loads(base64.urlsafe_b64decode(asked.token.split(".")[1] + "=="))
    for subject in (
        None,
        {"type": "identity", "id": claims["sub"], "properties": {"name": asked.value()}},
        {"type": "identity", "id": asked.value()},
        {"type": "user", "id": f"{asked.value()}@example.com"},
        {"type": "token", "id": asked.value()},
        {"type": asked.value(), "id": asked.value()},
    ):
        for tool in ("search", "delete_all", "pay_out", asked.name()):
            body = asked.question(tool, subject)
            answer = asked.post("evaluation", body).json()
            hint = answer["context"].get("access_request")
            if hint:
                denial = {"binding_token": hint["binding_token"], "reason": asked.value()}
                assert asked.post("requests", body | {"denial": denial}).status_code == 202
            asked.post("evaluations", body | {"evaluations": [{}, {"context": {"x": asked.value()}}]})
            for search in ("subject", "resource", "action"):
                asked.post(f"search/{search}", body)
    # An action that is no method of MCP: the tool is named so, and all properties are its arguments.
    entities = asked.question("x") | {"action": {"name": asked.name()}, "resource": {"type": "x", "id": asked.value()}}
    asked.post("evaluation", entities)


def messages(asked: Asked) -> None:
    for tool in ("search", "delete_all", "pay_out", asked.name()):
        asked.check(asked.message(tool), path=f"/{asked.value()}?q={asked.value()}")
        asked.check([asked.message(tool), asked.message("delete_all")])
    asked.check(asked.message("search"), token=asked.value())
    asked.check({"jsonrpc": "2.0", "id": 1, "method": asked.name(), "params": {"x": asked.value()}})


def reports(asked: Asked) -> None:
    now = datetime.now(UTC).isoformat()
    subject = {"type": "token", "id": asked.token}
    told = {"id": asked.name(), "time": now, "decision": True, "note": asked.value()}
    assert asked.post("events", {"events": [asked.question(asked.name(), subject) | told]}).status_code == 202
    asked.post("events", {"events": [asked.question("x") | told | {"time": asked.value()}]})
    asked.post("events", {"events": [{"id": asked.value(), asked.value(): asked.value()}]})


def malformed(asked: Asked) -> None:
    for endpoint in (*QUESTIONS, "events"):
        value = asked.value()
        for body in (
            value,
            f'{{"{value}": "{value}", "{value}": 1}}',
            f'{{"x": "{value}", "n": 0.99999999999999999999}}',
            json.dumps({"subject": value, "action": value, "resource": value, "events": value}),
            json.dumps({"subject": {"type": 5, "id": value}}),
            json.dumps({"x": value * 3000}),
        ):
            asked.post(endpoint, body)
            asked.check(body)
    asked.check(asked.message("search"), **{"Mcp-Name": asked.value(), "Mcp-Method": asked.value()})
    asked.check(asked.message("search"), **{"Content-Type": asked.value()})
    asked.check(asked.message("search"), **{"Gatehouse-Resource": asked.value()})
    asked.check(asked.message("search"), **{"Gatehouse-Authorization": f"Basic {asked.value()}"})


def broken(asked: Asked) -> None:
    """Each one meets an unexpected error. The first is written out whole, later ones are counted."""
    answer = asked.check(asked.message(asked.value()), path=f"/{asked.value()}?q={asked.value()}")
    assert answer.status_code == 500
    subject = {"type": "token", "id": asked.token}
    for endpoint in ("evaluation", "evaluations", "requests", "search/resource", "search/action"):
        body = asked.question(asked.value(), subject) | {"evaluations": [{"context": {"x": asked.value()}}]}
        asked.post(endpoint, body)
    assert asked.post("evaluation", asked.question(asked.value(), subject)).status_code == 500


def leaked(canaries: set[str], text: str) -> list[str]:
    return [canary for canary in canaries if canary in text]


def test_no_line_of_the_log_holds_one(asked: Asked) -> None:
    log = asked.server.server.log.read_text()
    assert "unexpected error at" in log  # so what was to be seen was there
    assert leaked(asked.values | asked.names | asked.shown, log) == []


def test_no_metric_holds_one(asked: Asked) -> None:
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    shown = asked.server.ask("GET", f"{asked.server.origin}/metrics", headers=headers).text
    assert "ext_authz" in shown
    assert leaked(asked.values | asked.names | asked.shown, shown) == []


def test_no_answer_holds_one(asked: Asked) -> None:
    """A search gives back the types that it was asked for; nothing else comes back."""
    for answer in asked.answers:
        if "/search/" not in str(answer.url):
            assert leaked(asked.values | asked.names | asked.shown, answer.text + str(answer.headers)) == []
        assert "Traceback" not in answer.text


def test_the_audit_has_names_and_what_may_be_shown(asked: Asked) -> None:
    events = asked.server.manage("shell", "-v0", "-c", AUDIT)
    assert events.count("access:call:") > 20
    assert leaked(asked.values, events) == []
    assert leaked(asked.names, events) != []
    assert leaked(asked.shown, events) != []


def test_access_requests_have_what_may_be_shown(asked: Asked) -> None:
    found = asked.server.manage("shell", "-v0", "-c", AUDIT.replace("AuditEvent", "AccessRequest"))
    assert found.count("pay_out") > 1
    assert leaked(asked.values, found) == []
