"""The Access Evaluation API: a decision on one call, under a token that was issued before."""

import json
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from authz.authorizations import end, removal
from authz.database import raw_sql
from authz.models import AuditEvent, Authorization, Client, Rule
from tests.decision_point.conftest import PDP, SERVER, call, configure
from tests.support import world
from tests.support.world import NOTES, SECRET, SERVER_SECRET, World, basic_header, claims


def test_a_call_that_the_rules_allow(gatehouse: World, pdp: PDP) -> None:
    token = gatehouse.signed_in_tokens()["access_token"]
    answer = pdp.call(token, "search", q="x")
    assert answer["decision"] is True
    assert answer["context"]["scopes"] == ["mcp:read"]
    event = AuditEvent.objects.get(event="access:call:allowed")
    assert (event.client_id, event.resource) == ("desktop-app", NOTES)
    assert event.subject == claims(token)["sub"]
    assert event.detail["by"] == "notes-server"
    assert event.detail["tool"] == "search"
    assert event.detail["evaluation"] == answer["context"]["evaluation_id"]
    assert event.detail["rules"] == ["Engineers use agents on Notes"]


def test_an_agent_for_itself(gatehouse: World, pdp: PDP) -> None:
    assert pdp.call(gatehouse.machine_token()["access_token"], "search")["decision"] is True


@pytest.mark.parametrize("change", ["client", "person", "group", "rule", "revoked", "server"])
def test_what_is_withdrawn_says_no_at_once(gatehouse: World, pdp: PDP, change: str) -> None:
    tokens = gatehouse.signed_in_tokens()
    assert pdp.call(tokens["access_token"], "search")["decision"] is True
    bob = world.person("bob")
    if change == "client":
        removal.remove(world.client("desktop-app"))
    elif change == "person":
        bob.is_active = False
        bob.save()
    elif change == "group":
        bob.groups.clear()
    elif change == "rule":
        Rule.objects.filter(name__startswith="Engineers").update(enabled=False)
    elif change == "revoked":
        gatehouse.post("revoke", {"token": tokens["refresh_token"], "client_id": "desktop-app"})
    else:
        configure(active=False)
        assert pdp.post("evaluation", call(tokens["access_token"], "search")).status_code == 403
        return
    answer = pdp.call(tokens["access_token"], "search")
    assert answer["decision"] is False
    assert answer["context"]["reason"] == "token_not_live"
    assert AuditEvent.objects.get(event="access:call:denied").reason == "token_not_live"


@pytest.mark.parametrize("change", ["ended", "by hand", "client", "suspended"])
def test_a_machines_authorization_is_remembered_and_says_no_at_once(gatehouse: World, pdp: PDP, change: str) -> None:
    """Whatever ends it changes the generation, also a statement by hand."""
    token = gatehouse.machine_token()["access_token"]
    assert pdp.call(token, "search")["decision"] is True
    with CaptureQueriesContext(connection) as asked:
        assert pdp.call(token, "search")["decision"] is True
    assert not [query for query in asked.captured_queries if "FROM authz_authorization" in query["sql"]]
    mine = Authorization.objects.filter(pk=claims(token)["authorization"])
    if change == "ended":
        end(mine, reason="by a test", now=datetime.now(UTC))
    elif change == "by hand":
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE authz_authorization SET revoked = created WHERE id = %s", [raw_sql.uuid(mine.get().pk)]
            )
    elif change == "client":
        removal.remove(world.client("nightly-report"))
    else:
        Client.objects.filter(client_id="nightly-report").update(status="suspended")
    answer = pdp.call(token, "search")
    assert (answer["decision"], answer["context"]["reason"]) == (False, "token_not_live")


def test_a_server_that_asks_about_anothers_token_learns_nothing(gatehouse: World, pdp: PDP) -> None:
    """The confused deputy: the token is good, but for another MCP server."""
    token = gatehouse.machine_token()["access_token"]
    configure(decision_clients=["payroll-server"])
    about_a_good_one = pdp.call(token, "search", basic=("payroll-server", SERVER_SECRET))
    assert about_a_good_one["decision"] is True
    configure()  # now payroll-server is named nowhere
    refused = pdp.post("evaluation", call(token, "search"), ("payroll-server", SERVER_SECRET))
    assert refused.status_code == 403


def test_a_foreign_token_and_nonsense_have_one_answer(gatehouse: World, pdp: PDP) -> None:
    from authz.configuration import apply

    apply(
        f"""
resources: [{{identifier: {world.PAYROLL}, name: Payroll, decision_clients: [payroll-server],
  scopes: [{{name: "payroll:read"}}]}}]
"""
    )
    token = gatehouse.machine_token()["access_token"]
    answers = [
        pdp.call(given, "search", basic=("payroll-server", SERVER_SECRET)) for given in (token, "nonsense", "a.b.c")
    ]
    for answer in answers:
        del answer["context"]["evaluation_id"]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["decision"] is False
    events = AuditEvent.objects.filter(event="access:call:denied")
    assert {(event.client_id, event.resource, event.subject) for event in events} == {("payroll-server", "", "")}


@pytest.mark.parametrize(
    "basic, status",
    [(None, 401), (("notes-server", "wrong" * 10), 401), (("nightly-report", SECRET), 403)],
)
def test_callers_authenticate_and_are_named(
    gatehouse: World, pdp: PDP, basic: tuple[str, str] | None, status: int
) -> None:
    answer = pdp.post("evaluation", call(gatehouse.machine_token()["access_token"], "search"), basic)
    assert answer.status_code == status
    assert "decision" not in answer.json()
    assert AuditEvent.objects.filter(event="access:decision:refused").count() == 1


def test_credentials_in_the_body(gatehouse: World, pdp: PDP) -> None:
    configure(decision_clients=["posting-agent"])
    body = call(gatehouse.machine_token()["access_token"], "search")
    answer = pdp.post("evaluation", {**body, "client_id": "posting-agent", "client_secret": SECRET}, None)
    assert answer.json()["decision"] is True


def test_a_public_client_learns_nothing(gatehouse: World, pdp: PDP) -> None:
    body = call(gatehouse.machine_token()["access_token"], "search")
    assert pdp.post("evaluation", {**body, "client_id": "desktop-app"}, None).status_code == 401


def test_the_callers_request_id_comes_back(gatehouse: World, pdp: PDP) -> None:
    headers = {"X-Request-ID": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"}
    for basic, status in ((SERVER, 200), (None, 401)):
        answer = pdp.post("evaluation", call("x", "search"), basic, **headers)
        assert (answer.status_code, answer["X-Request-Id"]) == (status, headers["X-Request-ID"])
    assert len(pdp.post("evaluation", call("x", "search"))["X-Request-Id"]) == 32


@pytest.mark.parametrize(
    "body, code",
    [
        ("", 400),
        ("nonsense", 400),
        ("[]", 400),
        (b"\xff", 400),
        (json.dumps(call("x", "y"))[:-1] + ', "subject": {"type": "token", "id": "z"}}', 400),
        (json.dumps(call("x", "y", {"n": 1})).replace("1", "1.00000000000000000001"), 400),
        (json.dumps(call("x", "y", {"n": 1})).replace("1", "9007199254740993"), 400),
        (json.dumps(call("x", "y", {"n": 1})).replace("1", '"\\ud800"'), 400),
        (json.dumps(call("x", "y", {"n": "n" * 70_000})), 413),
        ('{"a":' * 5000 + "1" + "}" * 5000, 400),
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(pdp: PDP, body: str | bytes, code: int) -> None:
    assert pdp.post("evaluation", body).status_code == code


def test_another_media_type(pdp: PDP) -> None:
    answer = pdp.browser.post("/o/access/v1/evaluation", {"a": "b"}, headers={"authorization": basic_header(*SERVER)})
    assert answer.status_code == 400


def test_scopes_that_a_call_needs(gatehouse: World, pdp: PDP) -> None:
    token = gatehouse.signed_in_tokens()["access_token"]
    body = call(token, "search", {})
    body["action"]["properties"]["scopes"] = ["mcp:read"]
    assert pdp.ask(body)["decision"] is True
    body["action"]["properties"]["scopes"] = ["mcp:read", "mcp:write"]
    answer = pdp.ask(body)
    assert (answer["decision"], answer["context"]["reason"]) == (False, "call_without_scope")


def test_methods_of_mcp_that_call_no_tool(gatehouse: World, pdp: PDP) -> None:
    token = gatehouse.machine_token()["access_token"]
    body = {
        "subject": {"type": "token", "id": token},
        "action": {"name": "tools/list"},
        "resource": {"type": "mcp_server", "id": NOTES},
    }
    assert pdp.ask(body)["decision"] is True
    answer = pdp.ask({**body, "action": {"name": "tools/destroy"}})
    assert (answer["decision"], answer["context"]["reason"]) == (False, "call_unknown")


def test_allowed_calls_may_be_sampled_and_refused_ones_never(gatehouse: World, pdp: PDP) -> None:
    configure(recorded_calls=10_000)
    token = gatehouse.machine_token()["access_token"]
    for _ in range(5):
        assert pdp.call(token, "search")["decision"] is True
        assert pdp.call("nonsense", "search")["decision"] is False
    assert AuditEvent.objects.filter(event="access:call:allowed").count() <= 1
    assert AuditEvent.objects.filter(event="access:call:denied").count() == 5


def test_of_arguments_only_named_members_are_recorded(gatehouse: World, pdp: PDP) -> None:
    configure(shown_arguments=["to.account", "missing"])
    canary = "canary-7c1f4e"
    token = gatehouse.machine_token()["access_token"]
    pdp.call(token, "pay", to={"account": "DE12", "name": canary}, note=canary)
    event = AuditEvent.objects.get(event="access:call:allowed")
    assert event.detail["shown"] == {"to.account": "DE12"}
    assert len(event.detail["arguments"]) == 64
    assert canary not in json.dumps(event.detail)


class TestClaims:
    """The subject by its claims: only from a caller whose word is taken, and only what is live."""

    def body(self, sub: str, agent: str = "desktop-app", **properties: str) -> dict[str, object]:
        return {
            "subject": {"type": "identity", "id": sub, "properties": properties},
            "action": {"name": "tools/call"},
            "resource": {"type": "tool", "id": "search"},
            "context": {"agent": agent},
        }

    def test_of_a_caller_that_may_not(self, gatehouse: World, pdp: PDP) -> None:
        sub = claims(gatehouse.signed_in_tokens()["access_token"])["sub"]
        assert pdp.ask(self.body(sub))["decision"] is False

    def test_of_a_caller_that_may(self, gatehouse: World, pdp: PDP) -> None:
        configure(claims_clients=["notes-server"])
        token = gatehouse.signed_in_tokens()["access_token"]
        sub = claims(token)["sub"]
        assert pdp.ask(self.body(sub))["decision"] is True
        assert pdp.ask(self.body(sub, authorization=claims(token)["authorization"]))["decision"] is True
        # Nothing that is said of a token adds to what the authorization has.
        assert pdp.ask(self.body(sub, scope="mcp:write"))["decision"] is False
        assert pdp.ask(self.body(sub, agent="web-app"))["decision"] is False
        assert pdp.ask(self.body(str(world.person("alice").subject)))["decision"] is False
        assert pdp.ask(self.body("not a uuid"))["decision"] is False

    def test_nothing_is_live_without_an_authorization(self, gatehouse: World, pdp: PDP) -> None:
        configure(claims_clients=["notes-server"])
        tokens = gatehouse.signed_in_tokens()
        gatehouse.post("revoke", {"token": tokens["refresh_token"], "client_id": "desktop-app"})
        assert pdp.ask(self.body(claims(tokens["access_token"])["sub"]))["decision"] is False


def test_metadata(pdp: PDP) -> None:
    found = pdp.browser.get("/.well-known/authzen-configuration/o").json()
    assert found["policy_decision_point"].endswith("/o")
    for name in ("access_evaluation_endpoint", "access_evaluations_endpoint", "access_request_endpoint"):
        assert found[name].startswith(found["policy_decision_point"])
    assert "client_secret_basic" in found["access_evaluation_endpoint_auth_methods_supported"]
