"""A leaver's agent is cut off in under thirty seconds from Home: clicks and seconds, as docs/console.md says them."""

import re
import time

import pytest
import requests
from playwright.sync_api import expect

from tests.e2e.conftest import DESK, NOTES, PHONE, SECRET, Arrive
from tests.e2e.test_end_access import token

CLICKS = 4


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_a_leavers_agent_is_cut_off_from_home(arrive: Arrive, viewport: dict[str, int]) -> None:
    someone = arrive(viewport=viewport)
    page = someone.page
    someone.sign_in("alice")
    someone.open("/console/")
    assert token(someone) == 200
    began, clicks = time.monotonic(), 0

    def click(role: str, name: str, *, within: str = "body") -> None:
        nonlocal clicks
        page.locator(within).get_by_role(role, name=name).first.click()  # type: ignore[arg-type]  # a role
        clicks += 1

    if viewport == PHONE:
        page.locator("summary").filter(has_text="Menu").first.click()
        clicks += 1
    click("link", "End access")
    page.get_by_label("An agent, a person, an MCP server").fill("Nightly report")
    click("button", "Search")
    assert someone.overflow() <= 0
    click("link", "End access of Nightly report", within="#found")
    page.get_by_label("Reason").fill("Its owner left")
    click("button", "End access", within="#main")
    expect(page.get_by_role("heading", name="Access has ended")).to_be_visible()
    assert token(someone) == 400
    seconds = time.monotonic() - began
    # On a phone, one more opens the menu.
    assert clicks == CLICKS + (viewport == PHONE)
    assert seconds < 30

    someone.open("/console/switch/")
    expect(page.locator("[aria-labelledby=recently]")).to_contain_text("Its owner left")
    page.locator("[aria-labelledby=recently]").get_by_role("link", name=re.compile("^Undo")).first.click()
    page.get_by_role("button", name="Allow new requests").click()
    assert token(someone) == 200


def test_a_pasted_token_leads_to_ending_its_authorization(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    answer = requests.post(
        f"{someone.issuer}/token",
        data={"grant_type": "client_credentials", "resource": NOTES},
        auth=("nightly-report", SECRET),
        timeout=60,
    ).json()
    someone.sign_in("alice")
    someone.open("/console/switch/")
    box = page.get_by_label("An agent, a person, an MCP server")
    box.fill(answer["access_token"])
    # Only the identifier stays in the box, and leaves the browser.
    assert len(box.input_value()) < 64
    page.get_by_role("button", name="Search").click()
    assert answer["access_token"] not in page.url
    page.locator("#found").get_by_role("link", name="End access").click()
    expect(page.get_by_role("heading", name="End access of this authorization?")).to_be_visible()
