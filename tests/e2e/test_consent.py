"""Signing in and consenting: by keyboard, on a phone, without JavaScript."""

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.e2e.conftest import DESK, PHONE, VERIFIER, Arrive


def press_tab_until(page: Page, name: str) -> None:
    """Tab on until the control of this name has the focus, which must be seen."""
    for _ in range(25):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and name in (focused.inner_text() or focused.get_attribute("value") or ""):
            assert focused.evaluate("element => getComputedStyle(element).outlineStyle") != "none"
            return
    raise AssertionError(f"the keyboard never reaches {name!r}")


def test_by_keyboard_alone_to_a_token(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    # Other tests may have consented before.
    someone.open(someone.authorize_path(prompt="consent"))
    page.get_by_label("User name or email").focus()
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type("alice-password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Desktop app")

    press_tab_until(page, "Allow")
    page.keyboard.press("Enter")
    page.wait_for_url("**/callback**")

    told = someone.callback.answer()
    assert (told["state"], told["iss"]) == ("xyz", someone.issuer)
    response = requests.post(
        f"{someone.issuer}/token",
        data={
            "grant_type": "authorization_code",
            "client_id": "desktop-app",
            "code": told["code"],
            "redirect_uri": someone.callback.uri,
            "code_verifier": VERIFIER,
        },
        timeout=20,
    )
    assert response.status_code == 200, response.text
    assert response.json()["scope"] == "mcp:read mcp:share mcp:write"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone_without_javascript(arrive: Arrive, dark: bool) -> None:
    someone = arrive(viewport=PHONE, dark=dark, javascript=False, has_touch=True)
    page = someone.page
    someone.open(someone.authorize_path(prompt="consent"))
    page.get_by_label("User name or email").fill("alice")
    page.get_by_label("Password").fill("alice-password")
    assert someone.page.locator("main").bounding_box()["width"] <= PHONE["width"]  # type: ignore[index]  # it is there
    page.get_by_role("button", name="Sign in", exact=True).tap()

    expect(page.get_by_text("Any program on your computer can pose as this agent.")).to_be_visible()
    expect(page.get_by_text("High risk")).to_be_visible()
    expect(page.get_by_text("Change and delete notes")).to_be_visible()
    for name in ("Allow", "Deny"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box is not None
        # > at least 24 by 24 CSS pixels (WCAG 2.2, 2.5.8); a thumb wants more.
        assert box["height"] >= 44
        assert box["x"] + box["width"] <= PHONE["width"]
    page.get_by_role("button", name="Allow").tap()
    page.wait_for_url("**/callback**")

    assert "code" in someone.callback.answer()


def test_no_is_an_answer_too(arrive: Arrive) -> None:
    someone = arrive()
    someone.sign_in("bob")
    someone.open(someone.authorize_path(prompt="consent"))

    someone.page.get_by_role("button", name="Deny").click()
    someone.page.wait_for_url("**/callback**")

    told = someone.callback.answer()
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", "xyz", someone.issuer)


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize(("change", "words"), [
    ({"client_id": "nobody"}, "is not known to this server"),
    ({"redirect_uri": "https://evil.example/"}, "has not registered"),
])  # fmt: skip
def test_an_untrusted_client_gets_no_redirect(
    arrive: Arrive, change: dict[str, str], words: str, viewport: dict[str, int]
) -> None:
    someone = arrive(viewport=viewport)

    status = someone.open(someone.authorize_path(**change))

    assert status == 400
    expect(someone.page.get_by_text(words)).to_be_visible()
    assert someone.page.url.startswith(someone.origin)
    assert someone.overflow() <= 0


def test_an_agent_that_waits_names_its_approvers(arrive: Arrive) -> None:
    someone = arrive()

    someone.open(
        someone.authorize_path(client_id="support-assistant", redirect_uri="https://support.example.com/callback")
    )

    expect(someone.page.get_by_role("heading", name="This needs an approval")).to_be_visible()
    expect(someone.page.get_by_text("Support assistant")).to_be_visible()


def test_consent_cannot_be_framed(arrive: Arrive) -> None:
    someone = arrive()
    someone.sign_in("alice")

    response = someone.page.goto(someone.origin + someone.authorize_path(prompt="consent"))

    assert response is not None
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-frame-options"] == "DENY"


# A person of its own for each: what was unticked is unticked the next time.
@pytest.mark.parametrize(("viewport", "username"), [(DESK, "bob"), (PHONE, "erin")], ids=["desk", "phone"])
def test_a_scope_is_unticked_without_javascript(arrive: Arrive, viewport: dict[str, int], username: str) -> None:
    someone = arrive(viewport=viewport, javascript=False)
    someone.sign_in(username)
    someone.open(someone.authorize_path(prompt="consent"))

    box = someone.page.get_by_role("checkbox", name="Change and delete notes")
    expect(box).to_be_checked()
    box.focus()
    someone.page.keyboard.press("Space")
    expect(box).not_to_be_checked()
    assert someone.overflow() <= 0
    someone.page.get_by_role("button", name="Allow").click()
    someone.page.wait_for_url("**/callback**")

    response = requests.post(
        f"{someone.issuer}/token",
        data={
            "grant_type": "authorization_code",
            "client_id": "desktop-app",
            "code": someone.callback.answer()["code"],
            "redirect_uri": someone.callback.uri,
            "code_verifier": VERIFIER,
        },
        timeout=20,
    )
    assert response.json()["scope"] == "mcp:read mcp:share"
