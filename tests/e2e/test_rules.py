"""A change of the rules: tried on what was really asked, saved, read in the history, taken back; without a script."""

import re

import requests
from playwright.sync_api import expect

from tests.e2e.conftest import PHONE, SECRET, Arrive


def test_an_administrator_tries_a_change_saves_it_and_goes_back(arrive: Arrive) -> None:
    someone = arrive(viewport=PHONE, javascript=False, has_touch=True)
    page = someone.page
    token = requests.post(
        f"{someone.issuer}/token",
        data={"grant_type": "client_credentials"},
        auth=("nightly-report", SECRET),
        timeout=20,
    )
    assert token.status_code == 200, token.text
    someone.sign_in("alice")

    someone.open("/console/authz/rule/")
    page.get_by_role("link", name="The nightly report reads").tap()
    page.get_by_label("Agents", exact=True).fill("another-agent")
    page.get_by_role("button", name="Try on 30 days").tap()
    effect = page.locator("#effect")
    expect(effect).to_contain_text("nightly-report")
    expect(effect).to_contain_text("→ refused (no rule allows)")
    assert someone.overflow() <= 0

    expect(page.get_by_label("Agents", exact=True)).to_have_value("another-agent")
    page.get_by_role("button", name="Save", exact=True).tap()
    expect(page.get_by_role("status")).to_contain_text("The nightly report reads")

    page.get_by_role("link", name="The nightly report reads").first.tap()
    page.get_by_role("link", name="History").tap()
    expect(page.get_by_text("clients: another-agent")).to_be_visible()
    assert someone.overflow() <= 0
    page.get_by_role("link", name=re.compile("^Undo")).first.tap()
    expect(page.get_by_role("heading", name="Go back?")).to_be_visible()
    assert someone.overflow() <= 0
    page.get_by_role("button", name="Go back").tap()
    expect(page.get_by_role("status")).to_contain_text("1 rule is as it was")

    someone.open("/console/authz/auditevent/?event=token:access:issued")
    page.get_by_role("link", name=re.compile("token:access:issued")).first.tap()
    page.get_by_role("link", name="Why?").tap()
    expect(page.get_by_role("heading", name="Allowed")).to_be_visible()
    assert someone.overflow() <= 0
    assert someone.complaints == []
