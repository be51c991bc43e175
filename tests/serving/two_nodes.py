"""Two nodes of one server, their organisation, and what tests ask them."""

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
import requests

from authz.protocol import jwks
from tests.support import processes, world
from tests.support.processes import RunningGatehouse
from tests.support.world import NOTES, SECRET
from tests.xaa.company import JWT_BEARER, Idp

MACHINE = ("nightly-report", SECRET)


def configuration(idp: Idp) -> str:
    keys = json.dumps({"keys": [jwks.public_jwk(idp.key.public_key(), kid=idp.kid, alg=idp.alg)]})
    extra = {
        "users:\n": "  - {username: dora, password: dora-password, email: dora@example.com, groups: [engineering]}\n",
        "clients:\n": f"""
  - {{client_id: waiting-agent, status: approved, grant_types: [client_credentials], client_secret: {SECRET}}}
  - {{client_id: deferred-agent, status: approved, grant_types: [client_credentials], client_secret: {SECRET}}}
  - {{client_id: cross-app-agent, status: approved, grant_types: ["{JWT_BEARER}"], client_secret: {SECRET}}}
""",
        "rules:\n": f"""
  - name: Both read
    effect: allow
    clients: [waiting-agent, deferred-agent]
    resources: ["{NOTES}"]
    scopes: ["mcp:read"]
  - name: Ask a human first
    effect: require_approval
    clients: [waiting-agent, deferred-agent]
    grant_types: ["*"]
    resources: ["{NOTES}"]
    scopes: ["mcp:read"]
  - name: Engineers reach Notes across apps
    effect: allow
    clients: [cross-app-agent]
    groups: [engineering]
    grant_types: ["{JWT_BEARER}"]
    resources: ["{NOTES}"]
    scopes: ["mcp:read"]
""",
    }
    written = world.configuration()
    for section, rows in extra.items():
        written = written.replace(f"\n{section}", f"\n{section}{rows}", 1)
    return f"""{written}
trusted_issuers:
  - issuer: {idp.issuer}
    jwks: {keys}
    accepts: [id-jag]
    subjects: {{match: [sub, email]}}
    client_ids: {{agent-at-idp: cross-app-agent}}
"""


def node(url: str, directory: Path, issuers_port: int, port: int) -> AbstractContextManager[RunningGatehouse]:
    issuer = f"http://127.0.0.1:{issuers_port}/o"
    own = {"PORT": str(port), "GATEHOUSE_ISSUER": issuer, "GATEHOUSE_REFRESH_REUSE_WINDOW": "0"}
    return processes.running(url, directory, workers=2, **own)


def machine(at: RunningGatehouse) -> requests.Response:
    return at.token(auth=MACHINE, grant_type="client_credentials")


def deferred(at: RunningGatehouse, client_id: str) -> tuple[str, str]:
    """The deferral code of a request that waits for an approval, and the id of that request."""
    asked = at.token(auth=(client_id, SECRET), grant_type="client_credentials", completion_mode="deferred")
    answer = asked.json()
    assert answer.get("error") == "authorization_pending", answer
    (waiting,) = call(at, signed_in(at), "GET", "access_requests?status=open").json()["items"]
    return str(answer["deferral_code"]), str(waiting["id"])


def approve(at: RunningGatehouse, browser: requests.Session, waiting: str) -> requests.Response:
    return call(at, browser, "POST", f"access_requests/{waiting}/approve", {"lasts": "1h", "comment": "Fine."})


def signed_in(at: RunningGatehouse) -> requests.Session:
    """Alice, whose session holds at every node."""
    session = requests.Session()
    session.trust_env = False
    address = f"{at.origin}/accounts/login/"
    session.get(address, timeout=30)
    form = {"login": "alice", "password": "alice-password", "csrfmiddlewaretoken": csrf(session)}
    assert session.post(address, data=form, timeout=30).status_code == 200
    return session


def call(
    at: RunningGatehouse, browser: requests.Session, method: str, path: str, body: Any = None
) -> requests.Response:
    """The management API, with the session of the console."""
    headers = {"X-CSRFToken": csrf(browser), "If-Match": "*"}
    return requests.request(
        method, f"{at.origin}/api/v1/{path}", json=body, headers=headers, cookies=browser.cookies, timeout=30
    )


def csrf(session: requests.Session) -> str:
    return next(str(cookie.value) for cookie in session.cookies if "csrf" in cookie.name)


def recorded(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT detail->>'jti' FROM authz_auditevent WHERE event = 'token:access:issued'")
        return {jti for (jti,) in found}


def overdue(url: str) -> int:
    """Tasks that should have begun five seconds ago; all of them, before the first node has named them."""
    return count(url, "SELECT count(*) FROM authz_periodictask WHERE due < %s", time.time() - 5)


def succeeded_since(url: str, moment: float) -> int:
    return count(url, "SELECT count(*) FROM authz_periodictask WHERE succeeded > %s", moment)


def count(url: str, statement: Any, moment: float) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement, [moment]).fetchone()
    assert row is not None
    return int(row[0])


def until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)
