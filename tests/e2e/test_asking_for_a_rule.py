"""Asking where no rule exists yet: Charlie is refused, asks, the server's owner accepts, and the agent gets a token."""

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import expect

from demo.gatehouse import Gatehouse
from tests.e2e.conftest import DESK, PHONE, VERIFIER, Arrive, Someone, serving
from tests.e2e.test_accessibility import LOOKS, serious

WIKI = "https://wiki.example.com/mcp"
CONFIGURATION = f"""
users:
  - {{username: wanda, password: wanda-password, email: wanda@example.com}}
resources:
  - identifier: {WIKI}
    name: Wiki
    owners: [wanda]
    scopes:
      - {{name: "wiki:read", description: Read the wiki}}
      - {{name: "wiki:write", description: Change the wiki, sensitivity: high}}
"""


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    """A server of its own: it has one MCP server and one rule more than the others need."""
    with serving(tmp_path_factory.mktemp("rules")) as server:
        server.apply(CONFIGURATION)
        yield server


def test_a_person_asks_and_the_owner_makes_the_rule(arrive: Arrive) -> None:
    charlie, wanda = arrive(viewport=PHONE, javascript=False), arrive(viewport=DESK)
    path = charlie.authorize_path(resource=WIKI, scope="wiki:read wiki:write")

    charlie.sign_in("charlie")
    assert charlie.open(path) == 403
    expect(charlie.page.get_by_role("heading", level=1)).to_have_text("Your organisation does not allow this")
    charlie.page.get_by_label("wiki:write").uncheck()
    charlie.page.get_by_label("Why do you need it?").fill("I answer questions of visitors.")
    assert charlie.overflow() == 0
    charlie.page.get_by_role("button", name="Ask for access").click()
    expect(charlie.page.get_by_text("wanda@example.com")).to_be_visible()
    assert charlie.overflow() == 0

    wanda.sign_in("wanda")
    wanda.open("/account/")
    wanda.page.get_by_role("link", name="Your MCP servers").click()
    wanda.page.get_by_role("link", name="Wiki").click()
    wanda.page.get_by_role("link", name="“Desktop app” for charlie").click()
    expect(wanda.page.get_by_text("I answer questions of visitors.")).to_be_visible()
    expect(wanda.page.get_by_text("The narrowest rule that allows it")).to_be_visible()
    expect(wanda.page.get_by_role("heading", name="Effect on past requests")).to_be_visible()
    assert wanda.overflow() == 0
    wanda.page.get_by_role("button", name="Accept the rule").click()
    expect(wanda.page.get_by_text("Accepted: the rule is in force.")).to_be_visible()

    charlie.open(path)
    expect(charlie.page.get_by_role("checkbox", name="Read the wiki")).to_be_checked()
    expect(charlie.page.get_by_text("Change the wiki")).to_have_count(0)
    charlie.page.get_by_role("button", name="Allow").click()
    charlie.page.wait_for_url("**/callback**")
    response = requests.post(
        f"{charlie.issuer}/token",
        data={
            "grant_type": "authorization_code",
            "client_id": "desktop-app",
            "code": charlie.callback.answer()["code"],
            "redirect_uri": charlie.callback.uri,
            "code_verifier": VERIFIER,
        },
        timeout=20,
    )
    assert response.json()["scope"] == "wiki:read"


def test_back_to_the_application_without_asking(arrive: Arrive) -> None:
    dana = arrive()
    dana.sign_in("dana")
    assert dana.open(dana.authorize_path(resource=WIKI, scope="wiki:read")) == 403

    dana.page.get_by_role("button", name="Back to the application").click()
    dana.page.wait_for_url("**/callback**")

    told = dana.callback.answer()
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", "xyz", dana.issuer)


def test_axe_finds_nothing_serious_on_the_pages_of_the_round(arrive: Arrive, axe: str) -> None:
    """Those that a catalogue of addresses does not reach: each is a state of a request, or an owner's own."""
    erin, wanda = arrive(), arrive()
    found: dict[str, set[str]] = {}

    def look(someone: Someone, name: str) -> None:
        for viewport, colours, run in LOOKS:
            someone.page.set_viewport_size(viewport)  # type: ignore[arg-type]  # it is a width and a height
            someone.page.emulate_media(color_scheme=colours)
            if problems := set(serious(someone.page.evaluate(run))):
                found.setdefault(name, set()).update(problems)
            assert someone.overflow() <= 0, (name, viewport)

    for someone, username in ((erin, "erin"), (wanda, "wanda")):
        someone.context.add_init_script(axe)
        someone.sign_in(username)
    path = erin.authorize_path(resource=WIKI, scope="wiki:read wiki:write")
    erin.open(path)
    look(erin, "not allowed")
    erin.page.get_by_role("button", name="Ask for access").click()
    look(erin, "asked for")
    wanda.open("/account/servers/")
    look(wanda, "the owner's servers")
    wanda.page.get_by_role("link", name="Wiki").click()
    look(wanda, "the owner's server")
    wanda.page.get_by_role("link", name="“Desktop app” for erin").click()
    look(wanda, "accept or reject")
    wanda.page.get_by_label("Reason").fill("Use the export.")
    wanda.page.get_by_role("button", name="Reject").click()
    erin.open(path)
    expect(erin.page.get_by_text("Use the export.")).to_be_visible()
    look(erin, "rejected")

    assert found == {}
