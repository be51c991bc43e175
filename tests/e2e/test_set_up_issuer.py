"""Setting up sign-in by an OpenID provider, against npm's oidc-provider: found, tested, switched on, used; and
people who sign out there.
"""

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from demo.gatehouse import Gatehouse
from demo.processes import free_port
from tests.e2e.conftest import CONFIGURATION, PHONE, Arrive, Someone
from tests.support import databases
from tests.support.oidc_provider import oidc_provider

SECRET = "the-provider-gave-us-this-0123456789"
PORT = free_port()
ISSUER = f"http://localhost:{PORT}"
MOST_CLICKS, MOST_SECONDS = 12, 300


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    """A server of its own, which may ask the provider on this machine."""
    directory = tmp_path_factory.mktemp("issuer")
    databases.prepare(directory / "gatehouse.sqlite3")
    settings = {"WORKERS": "1", "GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": f"localhost:{PORT}"}
    with Gatehouse(directory, settings=settings) as server:
        server.apply(CONFIGURATION)
        yield server


@pytest.fixture(scope="module")
def callback_uri(gatehouse: Gatehouse) -> str:
    name = hashlib.sha256(ISSUER.encode()).hexdigest()[:12]
    return f"{gatehouse.origin}/accounts/oidc/{name}/login/callback/"


@pytest.fixture(scope="module", autouse=True)
def _provider(gatehouse: Gatehouse, callback_uri: str) -> Iterator[None]:
    command = ["node", "sign_in.mjs", str(PORT), callback_uri, f"{gatehouse.issuer}/backchannel-logout"]
    process = subprocess.Popen(command, cwd=oidc_provider())
    try:
        _wait()
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait() -> None:
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(200):
            try:
                session.get(f"{ISSUER}/.well-known/openid-configuration", timeout=5).raise_for_status()
                return
            except requests.RequestException:
                time.sleep(0.1)
    raise RuntimeError("the provider did not start")


class Counted:
    """A person's clicks, and the seconds since they began."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks, self.began = page, 0, time.monotonic()

    def click(self, role: str, name: str, exact: bool = False) -> None:
        self.clicks += 1
        self.page.get_by_role(role, name=name, exact=exact).first.click()  # type: ignore[arg-type]

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


def at_the_provider(counted: Counted, name: str) -> None:
    page = counted.page
    page.wait_for_url(f"{ISSUER}/interaction/*")
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill("any")
    counted.click("button", "Sign-in")
    counted.click("button", "Continue")


def set_up(someone: Someone) -> Counted:
    """From the list to the page after the test."""
    page = someone.page
    someone.sign_in("alice")
    someone.open("/console/xaa/trustedissuer/")
    counted = Counted(page)
    counted.click("link", "Add trusted issuer")
    counted.click("link", "Another OpenID provider")
    page.get_by_label("Its issuer").fill(ISSUER)
    counted.click("button", "Continue")
    return counted


def test_sign_in_is_set_up_tested_and_used_in_minutes(arrive: Arrive, callback_uri: str) -> None:
    someone = arrive()
    page, counted = someone.page, set_up(someone)
    expect(page.get_by_text("names this very issuer")).to_be_visible()
    expect(page.get_by_text(callback_uri)).to_be_visible()
    expect(page.get_by_role("button", name="Copy the redirect URI")).to_be_visible()
    page.get_by_label("Name").fill("Example provider")
    page.get_by_label("Client ID").fill("gatehouse")
    page.get_by_label("Client secret").fill(SECRET)
    counted.click("button", "Save, and test it")
    expect(page.get_by_text("Doesn’t count yet")).to_be_visible()
    counted.click("button", "Test sign-in")
    at_the_provider(counted, "bob")

    expect(page.get_by_role("heading", name="It would sign in bob")).to_be_visible()
    expect(page.get_by_text("bob@example.com")).to_be_visible()
    counted.click("link", "Go on")
    counted.click("button", "Switch it on")
    expect(page.get_by_text("counts from now on")).to_be_visible()
    print(f"\nSet up in {counted.clicks} clicks and {counted.seconds:.1f} s")
    assert counted.clicks <= MOST_CLICKS
    assert counted.seconds < MOST_SECONDS
    # It was a test: the administrator is who they were.
    someone.open("/console/")
    expect(page.get_by_text("alice").locator("visible=true").first).to_be_visible()

    sign_in_there(arrive(), "bob")


def sign_in_there(someone: Someone, name: str) -> None:
    someone.open("/accounts/login/?next=/account/")
    there = Counted(someone.page)
    there.click("button", "Sign in with Example provider")
    at_the_provider(there, name)
    someone.page.wait_for_url(f"{someone.origin}/account/")


def test_who_signs_out_at_the_provider_is_signed_out_here(arrive: Arrive, gatehouse: Gatehouse) -> None:
    issuer = {
        "issuer": ISSUER,
        "name": "Example provider",
        "accepts": ["id_token"],
        "subjects": {"match": ["sub", "email"]},
        "email_domains": ["example.com"],
        "sign_in": {"client_id": "gatehouse"},
        "sign_in_secret": SECRET,
    }
    gatehouse.apply(json.dumps({"trusted_issuers": [issuer]}))
    desk, phone = arrive(), arrive(viewport=PHONE)
    for browser in (desk, phone):
        sign_in_there(browser, "bob")
    desk.page.goto(f"{ISSUER}/session/end")
    desk.page.get_by_role("button", name="Yes, sign me out").click()
    expect(desk.page.get_by_text("Sign-out Success")).to_be_visible()
    desk.open("/account/")
    desk.page.wait_for_url("**/accounts/login/**")
    # The session of the other browser is another one there, too.
    phone.open("/account/")
    expect(phone.page).to_have_url(f"{gatehouse.origin}/account/")
    assert '"sid":' in gatehouse.manage("audit", "events", "--event", "issuer:logout:received", "--json")
    # For the test that sets it up, whichever comes first.
    gatehouse.apply(json.dumps({"trusted_issuers": []}), "--prune")


def test_the_pages_fit_a_phone_and_need_no_script(arrive: Arrive) -> None:
    someone = arrive(viewport=PHONE, javascript=False, has_touch=True)
    someone.sign_in("alice")
    for address in ("/console/xaa/trustedissuer/new/", "/console/xaa/trustedissuer/new/people/google-workspace/",
                    "/console/cimd/apps/", "/console/authz/client/elsewhere/"):  # fmt: skip
        someone.open(address)
        assert someone.overflow() == 0, address
