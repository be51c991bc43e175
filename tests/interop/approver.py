"""Olga, an approver, at a real browser (Debian's Chromium)."""

import os
import re

from playwright.sync_api import expect, sync_playwright

from tests.interop.house import PASSWORD, WHY, House

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def approve_in_a_browser(house: House, message: str) -> None:
    """She signs in on the way to the page that a task's message leads to, reads why, and presses Approve."""
    page_of_it = re.search(r"https?://\S+/account/requests/[0-9a-f-]{36}/?", message)
    assert page_of_it, message
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(45_000)  # CI machines are busy
        page.goto(page_of_it[0])
        page.get_by_label("User name or email").fill("olga")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_text(WHY)).to_be_visible()
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        browser.close()
