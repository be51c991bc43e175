"""Signing in by the organisation's IdP, for real: two servers, one of them the IdP, and a person who has no password
at the other.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests

from demo.browser import Page, Person
from tests.support import databases, processes
from tests.support.world import CHALLENGE, NOTES, REDIRECT, SERVER_SECRET, claims, configuration
from xaa.sign_in.adapter import provider_id

pytestmark = pytest.mark.any_database

SECRET = "the-company-gave-us-this-0123456789"


@dataclass(slots=True)
class Employee(Person):
    """Signs in with a password at the IdP alone; elsewhere presses the button that names it."""

    def _answer(self, response: requests.Response) -> requests.Response:
        for form in Page(response.text).forms:
            if "password" in form.types and "login" not in form.types:
                self.told("shows the password once more")
                form.fields["password"] = self.password
                return self._submit(response.url, form, form.buttons[0])
            for button in form.buttons:
                if "Company" in button.label:
                    self.told(" ".join(button.label.split()))
                    return self._submit(response.url, form, button)
        return Person._answer(self, response)


def test_a_person_signs_in_by_the_idp_and_an_agent_gets_a_token(tmp_path: Path) -> None:
    # Cookies know no ports, so the two need different names.
    idp_port, port = processes.free_port(), processes.free_port()
    idp = f"http://localhost:{idp_port}/o"
    callback = f"http://127.0.0.1:{port}/accounts/oidc/{provider_id(idp)}/login/callback/"
    company = f"""
users:
  - {{username: bob, password: bob-password, email: bob@example.com}}
clients:
  - client_id: gatehouse
    client_name: Gatehouse
    status: approved
    grant_types: [authorization_code]
    token_endpoint_auth_method: client_secret_basic
    client_secret: {SECRET}
    redirect_uris: ["{callback}"]
rules:
  - name: Everybody signs in
    effect: allow
    clients: [gatehouse]
    groups: ["*"]
    grant_types: [authorization_code]
    resources: ["*"]
    scopes: ["*"]
"""
    trusting = f"""{configuration().replace("password: bob-password, ", "")}
trusted_issuers:
  - issuer: {idp}
    name: Company
    accepts: [id_token]
    subjects: {{match: [sub, email]}}
    sign_in: {{client_id: gatehouse}}
    sign_in_secret: {SECRET}
"""
    (tmp_path / "idp").mkdir()
    (tmp_path / "own").mkdir()
    with (
        databases.database(tmp_path / "idp", company) as idp_url,
        databases.database(tmp_path / "own", trusting) as url,
        processes.running(idp_url, tmp_path, workers=1, PORT=str(idp_port), GATEHOUSE_ISSUER=idp),
        processes.running(
            url, tmp_path, workers=1, PORT=str(port), GATEHOUSE_OUTBOUND_ALLOWED_HOSTS=f"localhost:{idp_port}"
        ) as gatehouse,
    ):
        pressed: list[str] = []
        bob = Employee("bob", "bob-password", told=pressed.append)
        first = tokens(gatehouse, bob)
        live = gatehouse.introspect(first["access_token"], ("notes-server", SERVER_SECRET))
        assert (live["active"], live["username"]) == (True, "bob")
        token = claims(first["access_token"])
        assert token["amr"] == ["pwd"]  # what the IdP says of how he signed in
        assert "Sign in with Company" in pressed
        # A client that wants a fresh sign-in gets one: at the IdP.
        pressed.clear()
        time.sleep(1.1)  # auth_time is in whole seconds
        again = claims(tokens(gatehouse, bob, prompt="login")["access_token"])
        assert again["auth_time"] > token["auth_time"]
        assert "Continue to Company" in pressed
        assert "shows the password once more" in pressed


def tokens(gatehouse: processes.RunningGatehouse, person: Person, **more: str) -> dict[str, str]:
    asked = {
        "response_type": "code",
        "client_id": "desktop-app",
        "redirect_uri": REDIRECT,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "scope": "mcp:read",
        "state": "xyz",
        "resource": NOTES,
        **more,
    }
    back = person.authorize(f"{gatehouse.url('authorize')}?{urlencode(asked)}")
    code = back.split("code=", 1)[1].split("&", 1)[0]
    answer = gatehouse.redeem(code)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found
