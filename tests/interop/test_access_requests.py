"""The whole round of an access request with real clients: ask, wait, approval by another person, the same request
succeeds, and it ends by itself.

Approvals last hours, so the test changes their end in the database of the running server.
"""

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.interop.configuration import PASSWORD
from tests.interop.conftest import World, run

CONFIGURATION = """
users:
  - {{username: olga, password: {password}, email: olga@example.com, groups: [keepers]}}
clients:
  - client_id: person-waits
    client_name: Desktop agent that has to ask
    status: approved
    grant_types: [authorization_code, refresh_token]
    token_endpoint_auth_method: none
    redirect_uris: ["http://127.0.0.1:3334/callback"]
  - client_id: machine-waits
    client_name: Machine that has to ask
    status: approved
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_post
    client_secret: {password}-{password}
rules:
  - name: A keeper is asked first
    effect: require_approval
    clients: [person-waits]
    groups: ["*"]
    resources: ["{resource}"]
    scopes: ["*"]
    approvers: {{groups: [keepers]}}
  - name: A keeper is asked first for machines, too
    effect: require_approval
    clients: [machine-waits]
    resources: ["{resource}"]
    scopes: ["*"]
    approvers: {{groups: [keepers]}}
"""
PENDING = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def waiting(world: World) -> World:
    world.gatehouse.apply(CONFIGURATION.format(password=PASSWORD, resource=world.scene.mcp_server))
    return world


class Olga:
    """An approver at a browser without JavaScript. She has no role in the console."""

    def __init__(self, world: World) -> None:
        self.origin = world.issuer.removesuffix("/o")
        self.session = requests.Session()
        self.session.trust_env = False
        self._press("/accounts/login/", login="olga", password=PASSWORD)

    def approve(self, request: str) -> None:
        path = f"/account/requests/{request}/decide"
        page = self.session.get(self.origin + path, timeout=30)
        assert page.status_code == 200
        answer = self._press(path, scopes="mcp:read", lasts="1h", comment="", decision="approve")
        assert answer.status_code == 302, answer.text

    def _press(self, path: str, **form: str) -> requests.Response:
        page = self.session.get(self.origin + path, timeout=30)
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
        assert "csrfmiddlewaretoken" in dict(hidden)
        form = dict(hidden) | form
        headers = {"Referer": page.url, "Origin": self.origin}
        return self.session.post(self.origin + path, data=form, headers=headers, allow_redirects=False, timeout=30)


def post(world: World, endpoint: str, **form: str) -> dict[str, Any]:
    with requests.Session() as session:
        session.trust_env = False
        found: dict[str, Any] = session.post(world.gatehouse.metadata()[endpoint], data=form, timeout=30).json()
        return found


def is_active(world: World, token: str) -> bool:
    server = {"client_id": "notes-server", "client_secret": world.scene.secret("notes-server")}
    with requests.Session() as session:
        session.trust_env = False
        endpoint = world.gatehouse.metadata()["introspection_endpoint"]
        answer = session.post(endpoint, data={"token": token}, auth=tuple(server.values()), timeout=30)
        return bool(answer.json()["active"])


def let_it_end(world: World, request: str) -> None:
    """As if the approval's hour had passed."""
    file: Path = world.gatehouse.directory / f"{world.gatehouse.name}.sqlite3"
    with sqlite3.connect(file, timeout=20) as database:
        moved = database.execute(
            "UPDATE authz_accessrequest SET expires = '2026-01-01 00:00:00' WHERE id = ?", [request.replace("-", "")]
        )
        assert moved.rowcount == 1
    database.close()


def test_a_person_waits_for_another_one_and_the_same_request_then_works(waiting: World, mcp2: Path) -> None:
    ask = waiting.ask("person-waits", "none")
    page = run(mcp2, "python_mcp2/waiting_person.py", ask)["waits"]
    assert page.startswith("403 at ")
    assert "This needs an approval" in page
    found = PENDING.search(page.partition("Reference")[2])
    assert found is not None
    request = found[0]
    again = run(mcp2, "python_mcp2/waiting_person.py", ask)["waits"]
    assert request in again, "a question repeated is the same request"

    Olga(waiting).approve(request)

    answer = run(mcp2, "python_mcp2/waiting_person.py", ask)
    assert answer["tool"]["notes"]
    assert is_active(waiting, answer["access_token"])

    let_it_end(waiting, request)

    assert not is_active(waiting, answer["access_token"])
    refused = post(
        waiting,
        "token_endpoint",
        grant_type="refresh_token",
        client_id="person-waits",
        refresh_token=answer["refresh_token"],
    )
    assert refused["error"] == "authorization_pending"
    assert refused["access_request"] != request


def test_a_machine_polls_until_it_is_approved(waiting: World) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": "machine-waits",
        "client_secret": f"{PASSWORD}-{PASSWORD}",
        "resource": waiting.scene.mcp_server,
    }
    pending = post(waiting, "token_endpoint", **form)
    assert pending["error"] == "authorization_pending"
    assert pending["error_uri"].endswith(f"/account/requests/{pending['access_request']}")
    assert post(waiting, "token_endpoint", **form)["access_request"] == pending["access_request"]

    olga = Olga(waiting)
    shown = olga.session.get(pending["error_uri"], timeout=30)
    assert "Machine that has to ask" in shown.text, "the address leads an approver to the decision"
    olga.approve(pending["access_request"])

    token = post(waiting, "token_endpoint", **form)["access_token"]
    assert is_active(waiting, token)
    let_it_end(waiting, pending["access_request"])
    assert not is_active(waiting, token)
    assert post(waiting, "token_endpoint", **form)["error"] == "authorization_pending"
