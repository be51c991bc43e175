"""Cut-offs in a browser: an administrator makes and undoes them, an approver some of them, an auditor none."""

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.e2e.conftest import DESK, NOTES, PHONE, SECRET, Arrive, Someone

OVERVIEW = "/console/switch/"
AGENT = "/console/switch/client/?id=nightly-report"


def token(someone: Someone) -> int:
    return requests.post(
        f"{someone.issuer}/token",
        data={"grant_type": "client_credentials", "resource": NOTES},
        auth=("nightly-report", SECRET),
        timeout=60,
    ).status_code


@pytest.mark.parametrize(("viewport", "javascript"), [(DESK, True), (PHONE, False)], ids=["desk", "phone"])
def test_an_administrator_ends_an_agent_and_lets_it_ask_again(
    arrive: Arrive, viewport: dict[str, int], javascript: bool
) -> None:
    someone = arrive(viewport=viewport, javascript=javascript)
    page = someone.page
    someone.sign_in("alice")
    assert token(someone) == 200
    someone.open("/console/authz/client/")
    page.get_by_role("link", name="Nightly report").click()
    page.locator("#main").get_by_role("link", name="End access").click()
    expect(page.get_by_text("Nightly report for itself at Notes").first).to_be_visible()
    assert someone.overflow() <= 0
    assert token(someone) == 200

    page.get_by_label("Reason").fill("Its key was in a public repository")
    page.get_by_role("button", name="End access").click()
    expect(page.get_by_role("heading", name="Access has ended")).to_be_visible()
    expect(page.get_by_text("Its key was in a public repository")).to_be_visible()
    assert token(someone) == 400

    page.get_by_role("link", name="Undo").click()
    page.get_by_role("button", name="Allow new requests").click()
    expect(page.get_by_role("heading", name="Access can be requested again")).to_be_visible()
    assert token(someone) == 200


def test_everything_has_to_be_typed(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("alice")
    someone.open(OVERVIEW)
    page.get_by_role("link", name="End everything").click()
    page.get_by_label("Type “end everything”").fill("yes")
    page.get_by_role("button", name="End everything").click()
    expect(page.get_by_text("Type these two words to confirm.")).to_be_visible()
    assert token(someone) == 200


def test_an_approver_may_end_an_agent_but_neither_a_person_nor_everything(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("bob")
    someone.open(AGENT)
    expect(page.get_by_role("button", name="End access")).to_be_visible()
    for path in ("/console/switch/person/?id=erin", "/console/switch/everything/"):
        assert someone.open(path) == 200
        expect(page.get_by_role("button", name=re.compile("^End"))).to_have_count(0)
        expect(page.get_by_text("An administrator can do this.")).to_be_visible()


def test_an_auditor_sees_what_would_end_and_ends_nothing(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("dana")
    for path in (OVERVIEW, AGENT, "/console/switch/everything/"):
        assert someone.open(path) == 200
        expect(page.get_by_role("button", name=re.compile("^End|^Let"))).to_have_count(0)
    answer = page.request.post(f"{someone.origin}{AGENT}", form={"reason": "x"})
    assert answer.status == 403


@pytest.mark.parametrize("username", ["erin", "charlie"])
def test_other_roles_do_not_see_it(arrive: Arrive, username: str) -> None:
    someone = arrive()
    someone.sign_in(username)
    assert someone.open(OVERVIEW) == 403
    assert someone.open(AGENT) == 403
