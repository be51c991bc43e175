"""The console by keys alone: to the queue, to a row, to a decision; and disabled for people who use voice control."""

import re

from playwright.sync_api import expect

from tests.e2e.conftest import Arrive


def test_an_approver_walks_to_an_agent_by_keys(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("bob")
    someone.open("/console/")

    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/console/authz/client/")
    page.keyboard.press("/")
    expect(page.locator("#searchbar")).to_be_focused()
    page.keyboard.type("support-assistant")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"q=support-assistant"))
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#result_list .action-select").first).to_be_checked()
    page.keyboard.press("Enter")
    page.wait_for_url("**/change/**")

    expect(page.get_by_role("heading", level=1)).to_contain_text("Support assistant")


def test_the_keys_are_listed_and_can_be_switched_off(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("bob")
    someone.open("/console/authz/client/")

    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Single keys are on in this browser").uncheck()
    dialog.get_by_role("button", name="Close").click()
    page.keyboard.press("/")
    expect(page.locator("#searchbar")).not_to_be_focused()
    page.get_by_role("button", name="Keys").click()

    expect(page.get_by_label("Single keys are on in this browser")).not_to_be_checked()
