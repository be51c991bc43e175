"""axe-core finds no serious violation on any page, light or dark at a desk, or dark on a phone; nothing overflows.

Each page is opened once for all of them. What a filter leaves of a list is looked at in light at a desk alone.
"""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from demo.gatehouse import Gatehouse
from tests.e2e.conftest import DESK, PHONE, Arrive, Someone, serving

SIGNED_OUT = ["/", "/accounts/login/", "/accounts/password/reset/", "/nothing-is-here"]
# In a process of its own, since it needs Django on the server's database: every page that the URL conf knows. Of what
# is asked of a page, the first and the last; tests/console/test_every_page.py opens all.
CATALOGUE = """
import json
from tests.support import everything, pages
everything.fill()
found = pages.pages(everything.first).values()
print(json.dumps([path for paths in found for path in dict.fromkeys([*paths[:2], paths[-1]])]))
"""
RUN = "async () => (await axe.run(document, {resultTypes: ['violations'], preload: false})).violations"
# What other colours of the same page can change.
CONTRAST = RUN.replace("{", "{runOnly: ['color-contrast'], ")
LOOKS: list[tuple[dict[str, int], Literal["light", "dark"], str]] = [
    (DESK, "light", RUN),
    (DESK, "dark", CONTRAST),
    (PHONE, "dark", RUN),
]


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    """One of its own: hostile text in each row would be in the other tests' way, and in their pictures."""
    with serving(tmp_path_factory.mktemp("accessibility")) as server:
        yield server


@pytest.fixture(scope="module")
def catalogue(gatehouse: Gatehouse) -> list[str]:
    paths: list[str] = json.loads(gatehouse.manage("shell", "--no-imports", "-c", CATALOGUE).splitlines()[-1])
    return [*paths, "authorize"]


def is_filtered_list(path: str) -> bool:
    return path.startswith(("/console/authz/", "/console/cimd/")) and "/?" in path


def serious(violations: list[dict[str, Any]]) -> set[str]:
    return {
        f"{found['id']}: {found['help']}: {found['nodes'][0]['html'][:200]}"
        for found in violations
        if found["impact"] in {"serious", "critical"}
    }


def code_of(secret: str) -> str:
    """What an authenticator app shows now (RFC 6238)."""
    digest = hmac.digest(base64.b32decode(secret), int(time.time() // 30).to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFF_FFFF) % 1_000_000:06}"


def second_factor(someone: Someone) -> Iterator[str]:
    """Each page on the way to a second factor, to a sign-in with it, and back to none; the names are only ours."""
    page = someone.page
    # Asked for by itself only where the sign-in is some minutes old.
    someone.open("/accounts/reauthenticate/?next=/accounts/2fa/totp/activate/")
    yield "second factor: is it still you"
    page.get_by_label("Password").fill("alice-password")
    page.get_by_role("button", name="Confirm").click()
    yield "second factor: activate"
    secret = page.locator("#authenticator_secret").input_value()
    page.get_by_label("Authenticator code").fill(code_of(secret))
    page.get_by_role("button", name="Set it up").click()
    page.wait_for_url("**/recovery-codes/**")
    yield "second factor: recovery codes"
    recovery = page.get_by_label("Unused codes").inner_text().split()
    someone.open("/accounts/2fa/recovery-codes/generate/")
    yield "second factor: new recovery codes"
    someone.open("/accounts/2fa/")
    yield "second factor: active"
    someone.open("/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    someone.open("/accounts/login/")
    page.get_by_label("User name or email").fill("alice")
    page.get_by_label("Password").fill("alice-password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    yield "second factor: sign in"
    page.get_by_label("Code").fill(recovery[0])
    page.get_by_role("button", name="Sign In").click()
    page.wait_for_url(f"{someone.origin}/account/")
    someone.open("/accounts/reauthenticate/?next=/accounts/2fa/totp/deactivate/")
    yield "second factor: is it still you, by either"
    page.get_by_label("Password").fill("alice-password")
    page.get_by_role("button", name="Confirm").click()
    yield "second factor: deactivate"
    page.get_by_role("button", name="Deactivate").click()


def test_no_serious_violation_on_any_page(arrive: Arrive, catalogue: list[str], axe: str) -> None:
    someone = arrive()
    someone.context.add_init_script(axe)
    found: dict[str, list[str]] = {}

    def look_at(path: str) -> None:
        status = someone.open(someone.authorize_path(prompt="consent") if path == "authorize" else path)
        # Otherwise it is the page that says why there is nothing to consent to.
        assert path != "authorize" or status == 200
        look(path)

    def look(name: str) -> None:
        problems = set()
        for viewport, colours, run in LOOKS[:1] if is_filtered_list(name) else LOOKS:
            someone.page.set_viewport_size(viewport)  # type: ignore[arg-type]  # it is a width and a height
            someone.page.emulate_media(color_scheme=colours)
            problems |= serious(someone.page.evaluate(run))
            if (wider := someone.overflow()) > 0:
                problems.add(f"{wider} pixels too wide at {viewport['width']}")
        if problems:
            found[name] = sorted(problems)

    stopped = [
        someone.authorize_path(client_id="nobody"),
        someone.authorize_path(client_id="support-assistant", redirect_uri="https://support.example.com/callback"),
    ]
    for path in [*SIGNED_OUT, *stopped]:
        look_at(path)
    someone.sign_in("alice")
    assert len(catalogue) > 100
    for path in [*catalogue, *stopped]:
        look_at(path)
    for name in second_factor(someone):
        look(name)

    assert not found, json.dumps(found, indent=1)
