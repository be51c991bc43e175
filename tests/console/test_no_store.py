"""Nothing that is behind a sign-in is kept by a cache: every page and every address of the API, by administrators, by
those who are not signed in, and a part of them by each role between (docs/decisions/0080)."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from tests.console.conftest import Page
from tests.console.test_lists import api_lists
from tests.support import everything, pages
from tests.support.rotation import part
from tests.support.world import World, client, person

ROLES = ("administrator", "approver", "auditor", "developer", "none", "nobody")
# The second factor's, and what stands in the middle of signing in.
OF_SIGN_IN = (
    "mfa_index", "mfa_activate_totp", "mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes", "mfa_authenticate", "mfa_reauthenticate", "account_reauthenticate", "account_email",
    "account_change_password", "account_set_password", "account_logout", "account_login", "account_reset_password",
    "socialaccount_connections",
)  # fmt: skip


def addresses() -> dict[str, str]:
    everything.fill()
    found = {f"{name} {path}": path for name, paths in pages.pages(everything.first).items() for path in paths}
    found |= {name: reverse(name) for name in OF_SIGN_IN}
    # The schemas are the same for everybody, and ask for no sign-in.
    schemas = {reverse("api_schema"), reverse("api_configuration_schema")}
    found |= {path: path for path in api_lists() if path not in schemas}
    found |= {
        path: path
        for path in (
            "/console/suggest/?of=people&q=a", "/console/authz/auditevent/export.csv", "/console/jsi18n/",
            "/console/authz/auditevent/export.jsonl", "/console/nothing/", "/console/authz/user/?password=1",
            "/api/v1/audit_events/1", "/api/v1/agents/999", "/api/v1/nothing",
        )
    }  # fmt: skip
    return found


@pytest.mark.any_database
@pytest.mark.parametrize("role", ROLES)
def test_no_page_and_no_answer_of_the_api_is_stored(signed_in: Page, role: str) -> None:
    browser = Browser() if role == "nobody" else signed_in(role)
    browser.raise_request_exception = False
    kept = {}
    asked = list(addresses().items())
    for name, path in asked if role in {"administrator", "nobody"} else part(asked, ROLES.index(role), 4):
        response = browser.get(path)
        if "no-store" not in response.headers.get("Cache-Control", ""):
            kept[name] = (response.status_code, response.headers.get("Cache-Control"))

    assert kept == {}


@pytest.mark.parametrize(
    "changes",
    [{}, {"scope": "mcp:read mcp:write"}, {"client_id": "pending-agent"}, {"resource": "https://nowhere.example/"},
     {"redirect_uri": "https://evil.example/"}, {"prompt": "none"}, {"client_id": "nobody"}],
)  # fmt: skip
def test_no_page_of_the_authorization_endpoint_is_stored(gatehouse: World, changes: dict[str, str]) -> None:
    for username in ("", "bob", "charlie"):
        gatehouse.browser = Browser()
        if username:
            gatehouse.sign_in(username)
        address = gatehouse.authorize_url(**changes)
        for response in (gatehouse.browser.get(address), gatehouse.browser.post(address, {"deny": "true"})):
            assert "no-store" in response.headers["Cache-Control"], (username, response.status_code)


@pytest.mark.parametrize("path", ["/o/jwks", "/.well-known/oauth-authorization-server/o"])
def test_responses_without_personal_data_may_be_cached(gatehouse: World, path: str) -> None:
    response = gatehouse.browser.get(path)

    assert response.status_code == 200
    assert "no-store" not in response.headers.get("Cache-Control", "")
    assert client("nightly-report").owner == person("alice")
