"""What the API tells: the policy's questions, the audit at a bounded cost, the switch; and how many statements."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from authz.audit import listing
from authz.models import AccessRequest, AuditEvent, Authorization, Client, Rule, User
from tests.api.conftest import Caller, problem
from tests.support import world
from tests.support.world import NOTES, World

Person = Callable[[str], Caller]


@pytest.fixture
def dana(person: Person) -> Caller:
    return person("auditor")


# --- The policy -------------------------------------------------------------------------------------------------------


def test_an_ask_is_explained_rule_by_rule(dana: Caller) -> None:
    told = dana.get(f"policy/explain?client_id=desktop-app&username=charlie&resource={NOTES}&scope=mcp:read")

    assert (told["effect"], told["scopes"]) == ("deny", [])
    missed = {rule["name"]: [field["field"] for field in rule["mismatches"]] for rule in told["by_rule"]}
    assert missed["Engineers use agents on Notes"] == ["subject"]


def test_an_unusual_call_is_explained(dana: Caller) -> None:
    asked = f"policy/explain?client_id=desktop-app&username=bob&resource={NOTES}&scope=mcp:read"
    assert dana.get(f"{asked}&tool=erase&unusual=first_use")["effect"] == "allow"
    assert dana("GET", f"{asked}&tool=erase&unusual=second_use").status_code == 422
    assert dana("GET", f"{asked}&unusual=first_use").status_code == 422


@pytest.mark.parametrize(
    "query",
    ["", "client_id=nobody", f"client_id=desktop-app&username=nobody&resource={NOTES}", "client_id=desktop-app",
     "client_id=desktop-app&resource=https://nowhere.example/"],
)  # fmt: skip
def test_an_impossible_request_is_not_explained(dana: Caller, query: str) -> None:
    assert dana("GET", f"policy/explain?{query}").status_code == 422


def test_who_reaches_a_server_and_what_an_agent_reaches(dana: Caller) -> None:
    at_notes = dana.get(f"policy/reach?resource={NOTES}")["reach"]
    of_agent = dana.get("policy/reach?client_id=nightly-report")["reach"]

    assert {client for row in at_notes for client in row["clients"]} >= {"nightly-report", "desktop-app"}
    assert [(row["resource"], row["scopes"]) for row in of_agent] == [(NOTES, ["mcp:read"])]
    assert dana.get("policy/reach?username=charlie")["reach"] == []
    assert dana("GET", "policy/reach").status_code == 400


def test_a_change_of_rules_is_tried_before_it_is_saved(dana: Caller) -> None:
    everything = {"clients": ["*"], "groups": ["*"], "resources": ["*"]}
    rule = {"name": "No writing", "effect": "deny", **everything, "scopes": ["mcp:write"]}

    told = json.loads(dana("POST", "policy/simulate", {"rules": [rule], "client_id": "desktop-app"}).content)

    assert (told["gained"], told["more"]) == (0, False)
    assert {(shift["subject"], shift["scope"]) for shift in told["shifts"]} == {
        ("alice", "mcp:write"),
        ("bob", "mcp:write"),
    }
    assert not Rule.objects.filter(name="No writing").exists()


@pytest.mark.parametrize(
    "body", [{}, {"rules": {}}, {"rules": [1]}, {"rules": [{"name": "x"}]}, {"rules": [], "prune": "yes"},
             {"rules": [], "client_id": 1}, {"rules": [{}] * 1001}],
)  # fmt: skip
def test_rules_that_cannot_be_read_are_not_tried(dana: Caller, body: dict) -> None:
    assert dana("POST", "policy/simulate", body).status_code == 422


# --- The audit --------------------------------------------------------------------------------------------------------


def events(count: int, **fields: object) -> None:
    now = datetime.now(UTC)
    filled = {"event": "token:access:issued", "client_id": "busy", "resource": NOTES, **fields}
    AuditEvent.objects.bulk_create(
        [AuditEvent(time=now + timedelta(milliseconds=i), **filled) for i in range(count)], batch_size=500
    )


def walk(caller: Caller, query: str) -> list[dict]:
    found, cursor = [], ""
    for _ in range(100):
        told = caller.get(f"audit_events?{query}{cursor}")
        found += told["items"]
        if told["next"] is None:
            return found
        cursor = f"&cursor={told['next']}"
    raise AssertionError("there is no end")


@pytest.mark.parametrize(
    "query",
    ["client_id=busy", f"resource={NOTES}", "event=token:access:issued", "client_id=busy&address=203.0.113.7",
     "reason=rare", "event=policy:access:cut_off", "event=policy:access:cut_off&client_id=rare", ""],
)  # fmt: skip
def test_every_event_is_found_once_and_newest_first(dana: Caller, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    events(25)
    events(3, reason="rare", event="token:access:refused", address="203.0.113.7")
    events(2, event="policy:access:cut_off", client_id="rare")
    monkeypatch.setattr(listing, "WALKED", 7)
    wanted = dict(part.split("=", 1) for part in query.split("&") if part)

    found = walk(dana, f"{query}&limit=4")

    ids = list(AuditEvent.objects.filter(**wanted).order_by("-id").values_list("id", flat=True))
    assert [event["id"] for event in found] == ids


def test_events_are_found_by_what_a_person_has_in_hand(dana: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = world.person("bob")
    events(3)
    events(1, subject=str(bob.subject), detail={"jti": "a1", "assertion_jti": "b1", "rules": ["Bob may", "All may"]})
    events(1, detail={"jti": "a2", "rules": ["All may"]})
    monkeypatch.setattr(listing, "WALKED", 2)

    sizes = {
        query: len(walk(dana, query))
        for query in ("jti=a1", "jti=b1", "jti=c1", "rule=All+may", "rule=Bob+may", "rule=may", "user=bob",
                      "user=BOB@example.com", "user=bob&rule=All+may")
    }  # fmt: skip

    assert sizes == dict(zip(sizes, (1, 1, 0, 2, 1, 0, 1, 1, 1), strict=True))
    for query in ("user=nobody", f"user=bob&subject={bob.subject}"):
        assert dana("GET", f"audit_events?{query}").status_code == 422


def test_a_period_is_a_part_of_the_audit(dana: Caller) -> None:
    events(3)
    middle = AuditEvent.objects.order_by("-id")[1].time.isoformat().replace("+00:00", "Z")

    assert len(walk(dana, f"client_id=busy&since={middle}")) == 2
    assert len(walk(dana, f"client_id=busy&until={middle}")) == 1
    assert dana("GET", "audit_events?since=yesterday").status_code == 422
    assert dana("GET", "audit_events?since=2026-01-01T00:00:00").status_code == 422


def test_a_search_without_a_match_reads_a_bounded_part(dana: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    events(60)
    monkeypatch.setattr(listing, "WALKED", 20)

    told = dana.get("audit_events?address=203.0.113.9")

    assert told["items"] == []
    assert told["next"] is not None


def test_one_event_is_read_and_nothing_changes_it(dana: Caller, person: Person) -> None:
    event = AuditEvent.objects.latest("id")
    assert dana.get(f"audit_events/{event.pk}")["event"] == event.event
    assert dana("GET", "audit_events/999999999").status_code == 404
    alice = person("administrator")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert alice(method, f"audit_events/{event.pk}", {}).status_code == 405


# --- End access -------------------------------------------------------------------------------------------------------


def test_the_switch_says_what_it_ends_and_ends_it(person: Person, gatehouse: World) -> None:
    token = gatehouse.machine_token()["access_token"]
    bob = person("approver")
    assert bob.get("end_access?kind=client&name=nightly-report")["would_end"] == 1
    assert [row["state"] for row in bob.get("authorizations?live=true")["items"]] == ["live"]

    response = bob("POST", "end_access", {"kind": "client", "name": "nightly-report", "reason": "Leaked."})

    assert json.loads(response.content)["ended"] == 1
    assert gatehouse.introspect(token) == {"active": False}
    assert world.client("nightly-report").status == "suspended"
    assert bob.get("authorizations?live=true")["items"] == []
    assert AuditEvent.objects.get(event="policy:access:cut_off").detail["because"] == "Leaked."


def test_an_alarm_cuts_an_agent_off_without_a_human(machine: Callable[[str], Caller], gatehouse: World) -> None:
    gatehouse.machine_token()

    response = machine("gatehouse:approve")(
        "POST", "cut_off", {"kind": "client", "name": "nightly-report", "reason": "An alarm."}
    )

    assert response.status_code == 200
    assert AuditEvent.objects.get(event="policy:access:cut_off").detail["by"] == "pipeline"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "client", "name": "nobody", "reason": "x"}, 404),
        ({"kind": "king", "name": "x", "reason": "x"}, 422),
        ({"kind": ["client"], "name": "x", "reason": "x"}, 422),
        ({"kind": "client", "name": "", "reason": "x"}, 422),
        ({"kind": "client", "name": "nightly-report"}, 422),
        ({"kind": "client", "name": "nightly-report", "reason": " "}, 422),
        ({"kind": "client", "name": "nightly-report", "reason": "x", "by": "alice"}, 422),
    ],
)
def test_a_switch_that_cannot_be_meant_ends_nothing(person: Person, body: dict, status: int) -> None:
    response = person("administrator")("POST", "cut_off", body)

    assert response.status_code == status, problem(response)
    assert world.client("nightly-report").status == "approved"


# --- How many statements it takes -------------------------------------------------------------------------------------

# The session, the person, the generation, and what follows from the page itself.
MOST_STATEMENTS = 14
LISTS = (
    "configuration",
    "configuration/users",
    "configuration/clients",
    "configuration/resources",
    "configuration/rules",
    "configuration/trusted_issuers",
    "configuration/resource_authorization_servers",
    "agents",
    "access_requests",
    "authorizations",
    "audit_events",
    "audit_events?address=203.0.113.9",
    f"policy/reach?resource={NOTES}",
    f"policy/explain?client_id=nightly-report&resource={NOTES}",
    "me",
)


def fill(start: int, count: int) -> None:
    from authz.models import ProtectedResource, Scope
    from xaa.models import ResourceAuthorizationServer, TargetResource, TrustedIssuer

    now = datetime.now(UTC)
    for i in range(start, start + count):
        user = User.objects.create(username=f"user{i}")
        user.groups.create(name=f"group{i}")
        resource = ProtectedResource.objects.create(identifier=f"https://r{i}.example/mcp", owner=user)
        Scope.objects.create(resource=resource, name="a")
        agent = Client.objects.create(client_id=f"agent{i}", owner=user, grant_types=["client_credentials"])
        resource.introspection_clients.add(agent)
        asked = AccessRequest.objects.create(
            digest=f"d{i}", client=agent, user=user, resource=NOTES, grant_type="client_credentials", scopes=["a"],
            first_asked=now, last_asked=now,
        )  # fmt: skip
        asked.votes.create(by=user, approves=True, scopes=["a"], expires=now, time=now)
        Authorization.objects.create(
            client=agent, user=user, resource=resource, grant_type="authorization_code", created=now
        )
        TrustedIssuer.objects.create(issuer=f"https://i{i}.example")
        server = ResourceAuthorizationServer.objects.create(issuer=f"https://s{i}.example")
        TargetResource.objects.create(server=server, identifier=f"https://t{i}.example/")


def test_no_list_asks_the_database_once_a_row(dana: Caller) -> None:
    fill(0, 2)
    counted: dict[str, list[int]] = {path: [] for path in LISTS}
    for size in (10, 0):
        for path, counts in counted.items():
            dana.get(path)
            with CaptureQueriesContext(
                connection,
            ) as statements:
                dana.get(path)
            counts.append(len(statements))
        fill(2, size)

    assert {path: counts for path, counts in counted.items() if counts[0] != counts[1]} == {}
    # The whole configuration is that of each section.
    assert {path for path, counts in counted.items() if counts[0] > MOST_STATEMENTS} <= {"configuration"}
    assert counted["configuration"][0] <= 2 * MOST_STATEMENTS + 4
