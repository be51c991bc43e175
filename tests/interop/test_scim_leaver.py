"""A leaver at a running server: bob signs in to an app, his directory says that he left, and nothing of his works."""

import base64
import hashlib
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from demo.browser import Person
from demo.gatehouse import Gatehouse
from tests.support import databases

NOTES, REDIRECT, VERIFIER = "https://notes.example.com/mcp", "http://127.0.0.1:9/callback", "v" * 43
SECRET = "a-secret-of-the-server-0123456789-0123"
CONFIGURATION = f"""
users: [{{username: bob, password: bob-password, email: bob@example.com, groups: [engineering]}}]
clients:
  - client_id: app
    status: approved
    grant_types: [authorization_code, refresh_token]
    token_endpoint_auth_method: none
    redirect_uris: ["{REDIRECT}"]
  - client_id: notes-server
    status: approved
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_basic
    client_secret: {SECRET}
  - client_id: report
    status: approved
    owner: bob
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_basic
    client_secret: {SECRET}
resources:
  - {{identifier: "{NOTES}", name: Notes, scopes: [{{name: "notes:read"}}], introspection_clients: [notes-server]}}
trusted_issuers:
  - issuer: https://idp.example
    accepts: [id-jag]
    subjects: {{match: [email]}}
    email_trusted: true
    email_domains: [example.com]
directories: [{{name: Staff, issuer: "https://idp.example"}}]
rules:
  - {{name: Engineers, effect: allow, clients: ["*"], groups: [engineering], resources: ["*"], scopes: ["*"]}}
  - {{name: Report, effect: allow, clients: [report], resources: ["*"], scopes: ["*"]}}
"""


def test_nothing_works_after_the_answer(tmp_path: Path) -> None:
    databases.prepare(tmp_path / "gatehouse.sqlite3")
    with Gatehouse(tmp_path, settings={"WORKERS": "2", "GATEHOUSE_OWNER_GRACE_DAYS": "0"}) as gatehouse:
        gatehouse.apply(CONFIGURATION)
        tokens = signed_in(gatehouse)
        assert is_active(gatehouse, tokens["access_token"])
        assert reported(gatehouse) == 200
        (token,) = re.findall(r"^token +(\S+)$", gatehouse.manage("directory", "token", "Staff"), re.MULTILINE)
        scim = requests.Session()
        scim.headers.update({"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"})
        body = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "bob@example.com",
            "emails": [{"value": "bob@example.com"}],
        }
        made = scim.post(f"{gatehouse.issuer}/scim/v2/Users", json=body, timeout=10)
        assert made.status_code == 201, made.text
        operation = {"op": "Replace", "path": "active", "value": "False"}
        schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
        began = time.monotonic()
        left = scim.patch(
            made.json()["meta"]["location"], json={"schemas": schemas, "Operations": [operation]}, timeout=10
        )
        assert left.json()["active"] is False
        # Each worker of the server answers some of them.
        for _ in range(6):
            assert not is_active(gatehouse, tokens["access_token"])
        assert refreshed(gatehouse, tokens["refresh_token"]) == 400
        assert time.monotonic() - began < 5
        # The agent that he owns has no successor, and no grace here.
        while reported(gatehouse) == 200:
            assert time.monotonic() - began < 30
            time.sleep(0.2)


def reported(gatehouse: Gatehouse) -> int:
    """What his agent gets for itself."""
    asked = {"grant_type": "client_credentials", "resource": NOTES}
    return requests.post(f"{gatehouse.issuer}/token", data=asked, auth=("report", SECRET), timeout=10).status_code


def signed_in(gatehouse: Gatehouse) -> dict[str, str]:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": "app",
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "resource": NOTES,
        "scope": "notes:read",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    back = Person("bob", "bob-password").authorize(f"{gatehouse.issuer}/authorize?{urlencode(asked)}")
    code = parse_qs(urlsplit(back).query)["code"][0]
    given = {"grant_type": "authorization_code", "client_id": "app", "code": code, "redirect_uri": REDIRECT}
    answer = requests.post(f"{gatehouse.issuer}/token", data={**given, "code_verifier": VERIFIER}, timeout=10)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def refreshed(gatehouse: Gatehouse, token: str) -> int:
    given = {"grant_type": "refresh_token", "client_id": "app", "refresh_token": token}
    return requests.post(f"{gatehouse.issuer}/token", data=given, timeout=10).status_code


def is_active(gatehouse: Gatehouse, token: str) -> bool:
    answer = requests.post(
        f"{gatehouse.issuer}/introspect", data={"token": token}, auth=("notes-server", SECRET), timeout=10
    )
    return bool(answer.json()["active"])
