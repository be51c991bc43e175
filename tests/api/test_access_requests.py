"""Asking and deciding over HTTP: the same functions as the console's, the same refusals."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client as Browser

from authz.configuration import apply
from authz.models import AccessRequest, AuditEvent, Rule, User
from tests.api.conftest import Caller, problem
from tests.support import world
from tests.support.world import NOTES, World

Person = Callable[[str], Caller]
ASK = {"client_id": "tool", "resource": NOTES, "scopes": ["mcp:read", "mcp:write"], "for": "agent"}


@pytest.fixture
def erin(person: Person) -> Caller:
    """A developer with an approved agent, whose access requires an approval."""
    caller = person("developer")
    rule = {"clients": ["tool"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["*"]}
    apply(
        json.dumps(
            {
                "clients": [
                    {
                        "client_id": "tool",
                        "status": "approved",
                        "owner": "erin",
                        "grant_types": ["client_credentials", "authorization_code"],
                        "redirect_uris": [world.REDIRECT],
                        "client_secret": world.SECRET,
                    }
                ],
                "rules": [
                    {"name": "Ask a human for the tool", "effect": "require_approval", **rule},
                    {"name": "Ask a human for people's tool", "effect": "require_approval", "groups": ["*"], **rule},
                ],
            }
        )
    )
    return caller


def asked(caller: Caller, **changes: object) -> str:
    response = caller("POST", "access_requests", {**ASK, **changes})
    assert response.status_code == 202, response.content
    return json.loads(response.content)["access_request"]["id"]


def test_a_developer_asks_and_an_approver_approves_less(erin: Caller, person: Person, gatehouse: World) -> None:
    pk = asked(erin, reason="The weekly report needs it.")
    bob = person("approver")
    assert bob.get("access_requests?status=open")["items"][0]["reason"] == "The weekly report needs it."

    response = bob("POST", f"access_requests/{pk}/approve", {"scopes": ["mcp:read"], "lasts": "1h", "comment": "Read."})

    answer = json.loads(response.content)
    assert (answer["status"], answer["approved_scopes"], answer["decided_by"]) == ("approved", ["mcp:read"], "bob")
    assert 3500 < (datetime.fromisoformat(answer["expires"]) - datetime.now(UTC)).total_seconds() <= 3600
    token = gatehouse.token(basic=("tool", world.SECRET), grant_type="client_credentials", resource=NOTES)
    assert json.loads(token.content)["scope"] == "mcp:read"
    assert erin.get(f"access_requests/{pk}")["comment"] == "Read."


def test_asking_again_is_the_same_request(erin: Caller) -> None:
    assert asked(erin) == asked(erin)
    assert AccessRequest.objects.get().asked == 2
    assert asked(erin, **{"for": "me"}) != asked(erin)


def test_a_denial_says_why(erin: Caller, person: Person) -> None:
    pk, bob = asked(erin), person("approver")

    assert bob("POST", f"access_requests/{pk}/deny", {}).status_code == 409
    response = bob("POST", f"access_requests/{pk}/deny", {"comment": "Not for this."})

    assert json.loads(response.content)["status"] == "denied"
    assert bob("POST", f"access_requests/{pk}/approve", {}).status_code == 409
    assert AuditEvent.objects.filter(event="policy:access_request:denied").get().detail["by"] == "bob"


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["mcp:admin"]},
        {"scopes": []},
        {"scopes": "mcp:read"},
        {"lasts": "1y"},
        {"lasts": 0},
        {"lasts": True},
        {"lasts": 40 * 86400},
        {"comment": "x" * 501},
        {"expires": "2999-01-01"},
        {"decided_by": "alice"},
    ],
)
def test_an_approval_that_cannot_be_meant_is_none(erin: Caller, person: Person, body: dict) -> None:
    pk = asked(erin)

    assert person("approver")("POST", f"access_requests/{pk}/approve", body).status_code in {409, 422}
    assert AccessRequest.objects.get().status == "open"


def test_a_person_cannot_decide_their_own_request(erin: Caller, person: Person) -> None:
    pk = asked(erin)
    User.objects.filter(username="erin").update(role="approver")

    response = erin("POST", f"access_requests/{pk}/approve", {})

    assert response.status_code == 403
    assert problem(response)["detail"] == "You cannot decide for your own agent."
    assert AccessRequest.objects.get().status == "open"


def test_an_approver_cannot_decide_for_a_server_with_another_owner(erin: Caller, person: Person) -> None:
    pk = asked(erin)
    apply(
        f"resources: [{{identifier: '{NOTES}', owner: alice, scopes: [{{name: 'mcp:read'}}, {{name: 'mcp:write'}}]}}]"
    )

    assert person("approver")("POST", f"access_requests/{pk}/approve", {}).status_code == 403
    assert person("administrator")("POST", f"access_requests/{pk}/approve", {}).status_code == 200


def test_a_developer_sees_and_cancels_only_what_concerns_them(erin: Caller, gatehouse: World) -> None:
    pk = asked(erin)
    frank = User.objects.create(username="frank", role="developer")
    browser = Browser()
    browser.force_login(frank, backend="authz.sign_in.password_backend.PasswordBackend")
    franks = Caller(browser)

    assert franks.get("access_requests")["items"] == []
    for method, path in (("GET", ""), ("POST", "/cancel")):
        assert franks(method, f"access_requests/{pk}{path}").status_code == 404
    assert franks("POST", "access_requests", ASK).status_code == 404
    assert browser.get(f"/console/authz/accessrequest/{pk}/change/").status_code == 302
    assert json.loads(erin("POST", f"access_requests/{pk}/cancel").content)["status"] == "cancelled"
    assert erin("POST", f"access_requests/{pk}/cancel").status_code == 409


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"client_id": "nightly-report"}, 404),
        ({"client_id": "nobody"}, 404),
        ({"resource": "https://nowhere.example/mcp"}, 422),
        ({"resource": ""}, 422),
        ({"scopes": ["mcp:admin"]}, 422),
        ({"scopes": []}, 422),
        ({"for": "alice"}, 422),
        ({"username": "alice"}, 422),
        ({"status": "approved"}, 422),
        ({"reason": 5}, 422),
    ],
)
def test_an_ask_is_ones_own(erin: Caller, change: dict, status: int) -> None:
    assert erin("POST", "access_requests", {**ASK, **change}).status_code == status
    assert not AccessRequest.objects.exists()


def test_what_no_rule_lets_a_human_decide_opens_nothing(erin: Caller) -> None:
    response = erin("POST", "access_requests", {**ASK, "resource": world.PAYROLL, "scopes": ["payroll:read"]})

    assert (response.status_code, json.loads(response.content)["effect"]) == (200, "deny")
    assert not AccessRequest.objects.exists()


def test_a_rule_is_asked_for_where_the_caller_says_so(erin: Caller, person: Person) -> None:
    wanted = {**ASK, "resource": world.PAYROLL, "scopes": ["payroll:read"], "for_rule": True, "reason": "Pay day."}

    response = erin("POST", "access_requests", wanted)

    row = json.loads(response.content)["access_request"]
    assert (response.status_code, row["needs_rule"], row["reason"]) == (202, True, "Pay day.")
    alice = person("administrator")
    assert alice("POST", f"access_requests/{row['id']}/approve", {"group": "nobody"}).status_code == 409
    assert alice("POST", f"access_requests/{row['id']}/approve", {}).status_code == 200
    assert Rule.objects.latest("id").definition["scopes"] == ["payroll:read"]
    assert alice("POST", f"access_requests/{row['id']}/approve", {}).status_code == 409


def test_requests_come_newest_first_by_the_page(erin: Caller, person: Person) -> None:
    ids = [asked(erin), asked(erin, scopes=["mcp:read"]), asked(erin, scopes=["mcp:write"])]
    bob = person("approver")

    first = bob.get("access_requests?limit=2")
    second = bob.get(f"access_requests?limit=2&cursor={first['next']}")

    assert [row["id"] for row in first["items"] + second["items"]] == ids[::-1]
    assert second["next"] is None


# --- The console's page -----------------------------------------------------------------------------------------------


def test_a_developer_asks_in_the_console(erin: Caller) -> None:
    pk = world.client("tool").pk
    page = f"/console/authz/client/{pk}/ask/"
    assert b"Ask for access" in erin.browser.get(f"/console/authz/client/{pk}/change/").content
    form = {"resource": NOTES, "scopes": "mcp:read", "acts_for": "agent", "reason": "The weekly report."}

    response = erin.browser.post(page, form)

    made = AccessRequest.objects.get()
    assert response["Location"] == f"/account/requests/{made.pk}"
    assert (made.scopes, made.user, made.reason) == (["mcp:read"], None, "The weekly report.")


def test_the_console_says_when_nothing_is_to_be_asked(erin: Caller) -> None:
    pk = world.client("tool").pk
    form = {"resource": NOTES, "scopes": "mcp:fly", "acts_for": "agent", "reason": "x"}

    assert b"This server has no mcp:fly" in erin.browser.post(f"/console/authz/client/{pk}/ask/", form).content
    other = erin.browser.post(
        f"/console/authz/client/{pk}/ask/", {**form, "resource": world.PAYROLL, "scopes": "payroll:read"}
    )
    # What no rule allows is asked of those who answer for the server.
    assert other.status_code == 302
    assert AccessRequest.objects.get().needs_rule
    assert erin.browser.get(f"/console/authz/client/{world.client('nightly-report').pk}/ask/").status_code == 404


def test_only_the_owner_requests_access_for_an_agent(erin: Caller, person: Person) -> None:
    form = {"resource": NOTES, "scopes": "mcp:read", "acts_for": "agent", "reason": "x"}

    page = person("approver").browser.post(f"/console/authz/client/{world.client('tool').pk}/ask/", form)

    assert b"Its owner asks for it" in page.content
    assert not AccessRequest.objects.exists()
