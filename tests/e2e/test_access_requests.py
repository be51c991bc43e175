"""The round of an access request in browsers: Bob's page waits, Dana's colleague approves, Bob goes on."""

import pytest
from playwright.sync_api import expect

from demo.gatehouse import Gatehouse
from tests.e2e.conftest import DESK, NOTES, PHONE, Arrive

CONFIGURATION = f"""
users:
  - {{username: olga, password: olga-password, email: olga@example.com, groups: [keepers]}}
clients:
  - client_id: asking-app
    client_name: Asking app
    status: approved
    owner: erin
    grant_types: [authorization_code, refresh_token]
    token_endpoint_auth_method: none
    redirect_uris: ["http://127.0.0.1/callback"]
rules:
  - name: A keeper and an administrator are asked first
    effect: require_approval
    clients: [asking-app]
    groups: [engineering]
    resources: ["{NOTES}"]
    scopes: ["mcp:read", "mcp:write"]
    approvers: {{groups: [keepers], roles: [administrator], count: 2}}
"""


@pytest.fixture(autouse=True)
def _rule(gatehouse: Gatehouse) -> None:
    gatehouse.apply(CONFIGURATION)


def test_two_people_approve_what_a_third_one_asked_for(arrive: Arrive) -> None:
    bob, olga, alice = arrive(), arrive(viewport=PHONE, dark=True, javascript=False), arrive(viewport=DESK)
    path = bob.authorize_path(client_id="asking-app", scope="mcp:read mcp:write", prompt="consent")

    bob.sign_in("bob")
    assert bob.open(path) == 403
    expect(bob.page.get_by_role("heading", level=1)).to_have_text("This needs an approval")
    bob.page.get_by_label("Why do you need it?").fill("I sum up the meeting notes for the board.")
    expect(bob.page.get_by_text("No one has been asked yet.")).to_be_visible()
    bob.page.get_by_role("button", name="Ask for access").click()
    expect(bob.page.get_by_role("button", name="Ask for access")).to_have_count(0)
    expect(bob.page.get_by_text("I sum up the meeting notes for the board.")).to_be_visible()
    assert bob.overflow() == 0

    olga.sign_in("olga")
    olga.open("/account/requests/")
    olga.page.get_by_role("link", name="“Asking app” for bob").click()
    expect(olga.page.get_by_text("I sum up the meeting notes for the board.")).to_be_visible()
    assert olga.overflow() == 0
    olga.page.get_by_role("button", name="Approve").click()
    expect(olga.page.get_by_text("Another person has to approve it, too.")).to_be_visible()
    assert bob.open(path) == 403

    alice.sign_in("alice")
    alice.open("/console/authz/accessrequest/")
    alice.page.get_by_role("link", name="Asking app").first.click()
    alice.page.get_by_role("link", name="Decide", exact=True).click()
    expect(alice.page.get_by_text("olga: mcp:read mcp:write")).to_be_visible()
    alice.page.get_by_label("mcp:write").uncheck()
    alice.page.get_by_role("button", name="Approve").click()
    expect(alice.page.get_by_text("Approved, for 8 hours.")).to_be_visible()

    assert bob.open(path) == 200
    bob.page.get_by_role("button", name="Allow").click()
    bob.page.wait_for_url("**/callback**")
    assert "code" in bob.callback.answer()
