"""A token that is pasted into the search box leads to “Why?”, and never leaves the browser."""

import requests
from playwright.sync_api import Request, expect

from tests.e2e.conftest import NOTES, PHONE, SECRET, Arrive


def test_a_pasted_token_leads_to_why_and_stays_in_the_browser(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    form = {"grant_type": "client_credentials", "resource": NOTES}
    answer = requests.post(f"{someone.origin}/o/token", form, auth=("nightly-report", SECRET), timeout=20)
    token = answer.json()["access_token"]
    sent: list[str] = []

    def watch(request: Request) -> None:
        sent.append(request.url + (request.post_data or ""))

    someone.sign_in("alice")
    someone.open("/console/")
    page.on("request", watch)
    page.keyboard.press("Control+k")
    expect(page.locator("#find")).to_be_focused()
    page.locator("#find").fill(f"Bearer {token}")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_contain_text("Why")
    assert sent
    assert not [request for request in sent if token[:40] in request or token.split(".")[1] in request]


def test_the_box_finds_a_person_on_a_phone(arrive: Arrive) -> None:
    someone = arrive(viewport=PHONE)
    someone.sign_in("alice")
    someone.open("/console/")
    someone.page.locator("#find").fill("charlie")
    someone.page.keyboard.press("Enter")
    expect(someone.page.get_by_role("heading", level=1)).to_contain_text("charlie")
