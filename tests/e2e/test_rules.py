"""A change of the rules: tried on what was really asked, saved, read in the history, taken back; without a script."""

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.e2e.conftest import DESK, PHONE, SECRET, Arrive


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
    page.locator("summary", has_text="More").tap()
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
    expect(page.get_by_role("heading", name="Allowed", exact=True)).to_be_visible()
    assert someone.overflow() <= 0
    assert someone.complaints == []


@pytest.mark.parametrize("javascript", [False, True])
def test_beside_a_rules_form_an_ask_is_answered_as_it_is_and_with_the_draft(arrive: Arrive, javascript: bool) -> None:
    someone = arrive(viewport=PHONE if not javascript else DESK, javascript=javascript)
    page = someone.page
    someone.sign_in("alice")
    someone.open("/console/authz/rule/")
    page.get_by_role("link", name="The nightly report reads").click()
    page.get_by_label("Agents", exact=True).fill("another-agent")
    page.get_by_label("Agent", exact=True).fill("nightly-report")
    page.get_by_label("Grant", exact=True).select_option("client_credentials")
    # In a line of text it would press the form's first button, and save.
    page.get_by_label("Agent", exact=True).press("Enter")
    expect(page.get_by_label("Agents", exact=True)).to_have_value("another-agent")
    page.get_by_role("button", name="Ask", exact=True).click()

    simulated = page.locator("#simulated")
    expect(simulated).to_contain_text("Saving this would change the answer.")
    expect(simulated.get_by_role("heading", name="As it is now: Allowed")).to_be_visible()
    expect(simulated.get_by_role("heading", name="With this draft: Denied")).to_be_visible()
    expect(page.get_by_label("Agents", exact=True)).to_have_value("another-agent")
    assert someone.overflow() <= 0
    someone.open("/console/authz/rule/")
    page.get_by_role("link", name="The nightly report reads").click()
    expect(page.get_by_label("Agents", exact=True)).not_to_have_value("another-agent")
    assert someone.complaints == []


def test_the_sentence_of_a_rule_grows_while_its_form_is_filled_in(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("alice")
    someone.open("/console/authz/rule/add/")
    words = page.locator("#rule-in-words")
    expect(words).to_contain_text("Not a rule yet.")

    page.get_by_label("Name", exact=True).fill("Nightly report reads")
    page.locator("[name=effect][value=deny]").check()
    page.locator("#id_clients").fill("nightly-reprot")
    page.get_by_label("Every grant").check()
    page.locator("[name=acts_for][value=machine]").check()
    page.get_by_label("Every MCP server").check()
    page.get_by_label("Every scope").check()

    expect(words).to_contain_text("nightly-reprot")
    expect(words).to_contain_text("Did you mean “nightly-report”?")
