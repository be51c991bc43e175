"""An agent is added by what it is, approved and allowed, and the lines to copy get its first token."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from demo.gatehouse import Gatehouse
from tests.e2e.conftest import PHONE, Arrive, Someone, serving


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    """A server of its own: these tests leave agents and rules behind."""
    with serving(tmp_path_factory.mktemp("add-agent")) as server:
        yield server


def add_script(someone: Someone, name: str, proof: str) -> Page:
    page = someone.page
    someone.sign_in("alice")
    someone.open("/console/authz/client/")
    page.get_by_role("link", name="Add agent").click()
    page.get_by_role("link", name="A script or scheduled job").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label(proof).check()
    page.get_by_label("Owner").fill("bob")
    page.get_by_label("MCP server").select_option(label="Notes")
    return page


def let_in(page: Page) -> None:
    """From the page that connects the agent: approve it, and save the rule that is filled in."""
    for link, button, told in (("Approve it", "Approve", "is approved"), ("Write the rule", "Save", "uses Notes")):
        secret_page = page.url
        with page.context.new_page() as second:
            second.goto(page.get_by_role("link", name=link).evaluate("element => element.href"))
            second.get_by_role("button", name=button, exact=True).click()
            expect(second.get_by_role("status").first).to_contain_text(told)
        assert page.url == secret_page


def run(command: list[str]) -> dict[str, object]:
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_a_script_with_a_secret_has_its_first_token(arrive: Arrive) -> None:
    page = add_script(arrive(), "Nightly sync", "A secret")
    expect(page.get_by_label("Public keys (JWKS)")).to_be_hidden()
    page.get_by_role("button", name="Add agent").click()

    expect(page.get_by_role("button", name="Copy the secret")).to_be_visible()
    curl = page.get_by_label("First token").inner_text()
    let_in(page)

    assert run(["sh", "-c", curl])["token_type"] == "Bearer"


def test_a_script_with_a_key_has_its_first_token(arrive: Arrive, tmp_path: Path) -> None:
    page = add_script(arrive(), "Signing sync", "A key")
    page.get_by_role("button", name="Generate in this browser").click()
    (tmp_path / "key.json").write_text(page.get_by_label("The private key").input_value())
    page.get_by_role("button", name="Add agent").click()
    (tmp_path / "first.py").write_text(page.get_by_label("First token").inner_text())
    let_in(page)

    answer = run([sys.executable, str(tmp_path / "first.py"), str(tmp_path / "key.json")])
    assert answer["token_type"] == "Bearer"


def test_an_app_is_added_on_a_phone_without_javascript(arrive: Arrive) -> None:
    someone = arrive(viewport=PHONE, javascript=False, has_touch=True)
    page = someone.page
    someone.sign_in("erin")
    someone.open("/console/authz/client/new/")
    assert someone.overflow() == 0
    page.get_by_role("link", name="An app that people sign in to").tap()
    page.get_by_label("Name").fill("Erin's app")
    page.get_by_label("Redirect URIs").fill("http://127.0.0.1/callback")
    page.get_by_label("On people's computers").check()
    assert someone.overflow() == 0
    page.get_by_role("button", name="Add agent").tap()

    expect(page.get_by_text("It waits for an approval by an approver who isn't its owner.")).to_be_visible()
    assert someone.overflow() == 0


def test_an_approver_rejects_an_agent_and_says_why(arrive: Arrive) -> None:
    someone = arrive(viewport=PHONE, javascript=False, has_touch=True)
    page = someone.page
    someone.sign_in("bob")
    someone.open("/console/authz/client/?q=support-assistant")
    page.get_by_role("link", name="Support assistant").tap()
    page.get_by_role("link", name="Approve").tap()
    expect(page.get_by_text("https://support.example.com/callback")).to_be_visible()
    assert someone.overflow() == 0
    page.get_by_role("link", name="Reject").tap()
    page.get_by_label("Why").fill("It asks for more than it needs.")
    assert someone.overflow() == 0
    page.get_by_role("button", name="Reject").tap()

    expect(page.get_by_role("status").first).to_contain_text("is rejected")
