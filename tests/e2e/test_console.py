"""The console in a browser: each round as the person who walks it, and what they may not do."""

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.e2e.conftest import DESK, PHONE, VERIFIER, Arrive, Someone


def console(someone: Someone, path: str = "") -> int:
    return someone.open(f"/console/{path}")


def test_from_a_new_mcp_server_to_a_first_token_through_the_console_alone(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("alice")

    console(someone, "authz/protectedresource/add/")
    page.get_by_label("Name", exact=False).first.fill("Tickets")
    page.get_by_label("Identifier").fill("https://tickets.example.com/mcp")
    page.locator("#id_scopes-0-name").fill("tickets:read")
    page.locator("#id_scopes-0-description").fill("Read tickets")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Tickets")

    console(someone, "authz/rule/add/")
    page.get_by_label("Name").fill("The ticket bot reads tickets")
    page.get_by_label("Allow").check()
    page.get_by_role("combobox", name="Agents").fill("ticket-bot")
    page.get_by_label("client_credentials").check()
    page.get_by_label("For itself").check()
    page.get_by_label("https://tickets.example.com/mcp").check()
    page.get_by_label("tickets:read").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("The ticket bot reads tickets")

    console(someone, "authz/client/add/")
    page.get_by_label("Name").fill("Ticket bot")
    page.get_by_label("Client id").fill("ticket-bot")
    page.get_by_label("client_credentials").check()
    page.locator("#id_token_endpoint_auth_method").select_option("client_secret_basic")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Make the secret").click()
    secret = page.locator("#secret").inner_text()
    page.get_by_role("link", name="I have stored it").click()
    expect(page.get_by_text("The ticket bot").or_(page.get_by_text("ticket-bot")).first).to_be_visible()
    page.get_by_role("link", name="Approve").click()
    page.get_by_label("Owner").fill("erin")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status").filter(has_text="is approved")).to_be_visible()

    response = requests.post(
        f"{someone.issuer}/token",
        data={"grant_type": "client_credentials", "resource": "https://tickets.example.com/mcp"},
        auth=("ticket-bot", secret),
        timeout=20,
    )
    assert response.status_code == 200, response.text
    assert response.json()["scope"] == "tickets:read"


def test_an_approver_decides_on_a_phone_without_javascript(arrive: Arrive) -> None:
    someone = arrive(viewport=PHONE, javascript=False, has_touch=True)
    page = someone.page
    someone.sign_in("bob")
    console(someone)
    page.get_by_text("Menu").tap()
    page.get_by_role("navigation", name="Console menu").get_by_role("link", name=re.compile("^Agents")).tap()
    page.get_by_role("link", name="Release bot").tap()

    page.get_by_role("link", name="Approve").tap()
    page.get_by_role("button", name="Approve").tap()
    expect(page.get_by_role("status")).to_contain_text("is approved")
    page.get_by_role("link", name="Suspend").tap()
    page.get_by_role("button", name="Suspend").tap()

    expect(page.get_by_role("status")).to_contain_text("is suspended")


def test_an_auditor_reads_everything_and_changes_nothing(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("dana")

    console(someone, "authz/auditevent/?reason=client_secret_wrong")
    page.get_by_role("link", name=re.compile("token:access:refused")).first.click()
    expect(page.get_by_text("The secret is not the client’s.")).to_be_visible()
    console(someone, "authz/auditevent/?q=client:nightly-report")
    page.get_by_role("link", name="token:access:issued").first.click()
    page.get_by_role("link", name="Event history of the authorization").click()
    expect(page.get_by_role("heading", name="Event history of the authorization")).to_be_visible()

    console(someone, "authz/client/")
    page.get_by_role("link", name="Nightly report").click()
    expect(page.get_by_role("link", name="Suspend")).to_have_count(0)
    expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)
    assert console(someone, "authz/client/add/") == 403


def test_a_developer_registers_an_agent_and_waits(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("erin")

    console(someone)
    page.get_by_role("link", name="Add agent").click()
    page.get_by_role("link", name="whole form").click()
    page.get_by_label("Name").fill("Erin's experiment")
    page.get_by_label("authorization_code").check()
    page.get_by_label("Redirect URIs").fill("http://127.0.0.1/callback")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("Pending", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Approve")).to_have_count(0)
    assert console(someone, "authz/auditevent/") == 403


def test_a_person_without_a_role_is_refused(arrive: Arrive) -> None:
    someone = arrive()
    someone.sign_in("charlie")

    assert console(someone) == 403
    expect(someone.page.get_by_role("heading", name="You may not do that")).to_be_visible()


def test_a_person_ends_an_agent(arrive: Arrive) -> None:
    someone = arrive(viewport=PHONE)
    page = someone.page
    someone.sign_in("erin")
    someone.open(someone.authorize_path(prompt="consent"))
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url("**/callback**")
    redeemed = requests.post(
        f"{someone.issuer}/token",
        data={
            "grant_type": "authorization_code",
            "client_id": "desktop-app",
            "code": someone.callback.answer()["code"],
            "redirect_uri": someone.callback.uri,
            "code_verifier": VERIFIER,
        },
        timeout=20,
    )
    assert redeemed.status_code == 200, redeemed.text

    someone.open("/account/")
    expect(page.get_by_text("Change and delete notes").first).to_be_visible()
    # She may have given access in other tests, too.
    links = page.get_by_role("link", name=re.compile("^End access"))
    for _ in range(links.count()):
        links.first.click()
        page.get_by_role("button", name="End access").click()
        someone.open("/account/")

    expect(page.get_by_text("No agent acts for you")).to_be_visible()
    refreshed = requests.post(
        f"{someone.issuer}/token",
        data={
            "grant_type": "refresh_token",
            "client_id": "desktop-app",
            "refresh_token": redeemed.json()["refresh_token"],
        },
        timeout=20,
    )
    assert refreshed.status_code == 400


def test_the_simulator_says_why_not(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("dana")
    console(someone, "simulator/")
    page.get_by_label("Agent").fill("desktop-app")
    page.get_by_label("Person").fill("charlie")
    page.get_by_label("Grant", exact=True).select_option("authorization_code")
    page.get_by_role("button", name="Ask").click()

    expect(page.get_by_role("heading", name="Denied")).to_be_visible()
    expect(page.get_by_text("Engineers use agents on Notes")).to_be_visible()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_signing_out_is_a_post_and_final(arrive: Arrive, viewport: dict[str, int]) -> None:
    someone = arrive(viewport=viewport)
    page = someone.page
    someone.sign_in("dana")
    someone.open("/accounts/logout/")
    someone.open("/account/")
    assert page.url.endswith("/account/")

    someone.open("/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    someone.open("/account/")

    assert "/accounts/login/" in page.url


def test_no_line_of_the_navigation_breaks_and_none_of_a_list_of_scopes_leaves_a_phone(arrive: Arrive) -> None:
    someone = arrive()
    someone.sign_in("alice")
    someone.open("/console/")
    heights = "[...document.querySelectorAll('.wide-nav li a')].map((link) => link.offsetHeight)"
    assert len(set(someone.page.evaluate(heights))) == 1

    someone.page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # it is a width and a height
    someone.open("/console/authz/protectedresource/add/")
    hidden = (
        "(() => { const table = document.querySelector('.tabular'); return table.scrollWidth - table.clientWidth })()"
    )
    assert someone.page.evaluate(hidden) <= 0
