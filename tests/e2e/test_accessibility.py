"""axe-core finds no serious violation on any page, light or dark, at a desk or on a phone; nothing overflows."""

from typing import Any

import pytest

from tests.e2e.conftest import DESK, PHONE, Arrive

STRANGER = ["/", "/accounts/login/", "/accounts/password/reset/", "/nothing-is-here"]
PERSON = [
    "authorize", "/account/", "/accounts/logout/", "/accounts/password/change/", "/accounts/2fa/", "/console/",
    "/console/?period=7d", "/console/authz/client/", "/console/authz/client/1/change/", "/console/authz/client/add/",
    "/console/authz/client/1/switch/suspended/", "/console/authz/protectedresource/",
    "/console/authz/protectedresource/1/change/", "/console/authz/protectedresource/1/protect/",
    "/console/authz/rule/", "/console/authz/rule/1/change/", "/console/authz/authorization/",
    "/console/authz/auditevent/", "/console/authz/auditevent/1/change/", "/console/story/?client_id=nightly-report",
    "/console/authz/signingkey/", "/console/authz/signingkey/rotate/ES256/", "/console/authz/user/",
    "/console/authz/user/1/change/", "/console/auth/group/", "/console/authz/rule/1/delete/",
    "/console/authz/client/1/history/",
    "/console/simulator/?client_id=desktop-app&username=charlie&grant_type=authorization_code&resource=http://127.0.0.1:9200/mcp",
]  # fmt: skip
RUN = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"


def serious(violations: list[dict[str, Any]]) -> list[str]:
    return [
        f"{found['id']}: {found['help']}: {found['nodes'][0]['html'][:200]}"
        for found in violations
        if found["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_no_serious_violation_on_any_page(arrive: Arrive, axe: str, viewport: dict[str, int], dark: bool) -> None:
    someone = arrive(viewport=viewport, dark=dark)
    found: dict[str, list[str]] = {}

    def look_at(path: str) -> None:
        someone.open(someone.authorize_path(prompt="consent") if path == "authorize" else path)
        someone.page.evaluate(axe)
        problems = serious(someone.page.evaluate(RUN))
        if (wider := someone.overflow()) > 0:
            problems.append(f"{wider} pixels too wide")
        if problems:
            found[path] = problems

    for path in STRANGER:
        look_at(path)
    someone.sign_in("alice")
    for path in PERSON:
        look_at(path)

    assert found == {}
