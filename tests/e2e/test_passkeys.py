"""A person sets up a passkey and signs in with it alone, by Chromium's virtual authenticator."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from demo.gatehouse import Gatehouse
from tests.e2e.conftest import CONFIGURATION, DESK, Arrive
from tests.support import databases

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
PHONE = {"width": 390, "height": 844}


class Named(Gatehouse):
    @property
    def issuer(self) -> str:
        return super().issuer.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    """By a name, since passkeys have none for an address; administrators show a second factor."""
    directory = tmp_path_factory.mktemp("passkeys")
    databases.prepare(directory / "gatehouse.sqlite3")
    server = Named(directory, settings={"WORKERS": "1", "GATEHOUSE_SECOND_FACTOR_ROLES": "administrator"})
    with server:
        server.apply(CONFIGURATION)
        yield server


def test_a_passkey_is_demanded_set_up_and_signs_in_alone(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    session = someone.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})

    def look(name: str) -> None:
        for size in (PHONE, DESK):
            page.set_viewport_size(size)  # type: ignore[arg-type]  # it is a width and a height
            assert someone.overflow() <= 0, name
            if folder := os.environ.get("PICTURES"):
                page.screenshot(path=Path(folder) / f"{name}-{size['width']}.png", full_page=True)

    someone.open("/accounts/login/?next=/console/")
    look("sign-in")
    page.get_by_label("User name or email").fill("alice")
    page.get_by_label("Password").fill("alice-password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/account/second-factor/**")
    look("second-factor")
    page.get_by_role("link", name="Add a passkey").click()
    look("add-passkey")
    page.get_by_role("button", name="Add").click()
    page.wait_for_url("**/recovery-codes/")
    expect(page.locator("pre")).to_have_text(re.compile(r"^(\d{8}\s*){10}$"))
    look("recovery-codes")
    page.get_by_role("link", name="I have saved them").click()
    page.wait_for_url(f"{someone.origin}/console/")
    someone.open("/accounts/2fa/")
    look("second-factors")
    someone.open("/accounts/2fa/webauthn/")
    look("passkeys")

    someone.context.clear_cookies()
    someone.open("/accounts/login/?next=/console/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{someone.origin}/console/")
    look("console")


def test_an_emergency_account_signs_in_and_every_page_says_so(arrive: Arrive, gatehouse: Gatehouse) -> None:
    password = gatehouse.manage("emergency_account", "make", "break-glass").split()[1]
    someone = arrive()
    page = someone.page
    someone.open("/accounts/login/?next=/console/")
    page.get_by_label("User name or email").fill("break-glass")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{someone.origin}/console/")
    for size in (PHONE, DESK):
        page.set_viewport_size(size)  # type: ignore[arg-type]  # it is a width and a height
        expect(page.get_by_role("alert")).to_contain_text("The emergency account break-glass was used")
        assert someone.overflow() <= 0
        if folder := os.environ.get("PICTURES"):
            page.screenshot(path=Path(folder) / f"emergency-{size['width']}.png")
    someone.open("/account/sign-ins/")
    for size in (PHONE, DESK):
        page.set_viewport_size(size)  # type: ignore[arg-type]  # it is a width and a height
        if folder := os.environ.get("PICTURES"):
            page.screenshot(path=Path(folder) / f"sign-ins-{size['width']}.png")
