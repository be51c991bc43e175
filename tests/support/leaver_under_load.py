"""A leaver under load: one SCIM PATCH at one of two nodes, and what both of them still answer after it."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
import yaml

from demo.browser import Person
from tests.support import databases, processes, world
from tests.support.processes import RunningGatehouse
from tests.support.world import CHALLENGE, NOTES, REDIRECT, SECRET, SERVER_SECRET, VERIFIER
from tests.xaa import company
from tests.xaa.directories import PATCH, USER

RESOURCE_SERVER = ("notes-server", SERVER_SECRET)
NO_LIMITS = "scim:directory=none,scim:address=none,sign_in:address=none,login:address=none"
# What bob's agent has, and what is asked for beside it all the time.
HIS = ("refresh", "introspection", "decision", "ID-JAG")


@dataclass(slots=True)
class Measured:
    """By what was asked for: how often it succeeded before the PATCH, how often it was asked after its answer, and how
    often it then succeeded. `last`: seconds from sending the PATCH to the begin of the last request that succeeded.
    """

    answered: float = 0.0
    last: float = 0.0
    before: Counter[str] = field(default_factory=Counter)
    asked_after: Counter[str] = field(default_factory=Counter)
    succeeded_after: Counter[str] = field(default_factory=Counter)


def configuration() -> str:
    """The organisation, its agents that act across applications, and a directory that finds people by address."""
    together: dict[str, Any] = yaml.safe_load(world.configuration())
    for key, items in yaml.safe_load(company.CONFIGURATION).items():
        together[key] = [*together.get(key, []), *items]
    together["trusted_issuers"][0] |= {"email_trusted": True, "email_domains": ["example.com"]}
    together["resources"][0] |= {"decision_clients": [RESOURCE_SERVER[0]]}
    together["directories"] = [{"name": "Staff", "issuer": company.IDP}]
    return json.dumps(together)


@contextmanager
def two_nodes(directory: Path, **settings: str) -> Iterator[tuple[RunningGatehouse, RunningGatehouse]]:
    """Two nodes of one server on one database. Where the tests have no PostgreSQL, it is SQLite's."""
    given = {"GATEHOUSE_RATE_LIMITS": NO_LIMITS, **settings}
    with (
        databases.database(directory, configuration()) as url,
        processes.running(url, directory, **given) as first,
        processes.running(url, directory, GATEHOUSE_ISSUER=first.issuer, **given) as second,
    ):
        # Its requests go to its own port, whatever its issuer is called.
        port = re.findall(r"gatehouse-(\d+)\.log", second.server.log.name)[0]
        yield first, RunningGatehouse(f"http://127.0.0.1:{port}/o", url, directory, second.server)


def measure(directory: Path, *, seconds: float = 1.0) -> Measured:
    with two_nodes(directory) as nodes:
        return _measure(nodes, seconds)


def _measure(nodes: tuple[RunningGatehouse, RunningGatehouse], seconds: float) -> Measured:
    tokens = signed_in(nodes[0])
    scim, person = scim_of(nodes[0]), {"schemas": [USER], "userName": "bob", "emails": [{"value": "bob@example.com"}]}
    made = scim.post(f"{nodes[0].issuer}/scim/v2/Users", json=person, timeout=30)
    assert made.status_code == 201, made.text
    log: list[tuple[float, str, bool]] = []
    stop = threading.Event()

    def again(what: str, call: Callable[[], bool]) -> None:
        while not stop.is_set():
            began = time.monotonic()
            log.append((began, what, call()))

    calls = [pair for node in nodes for pair in _requests(node, dict(tokens))]
    threads = [threading.Thread(target=again, args=pair) for pair in calls]
    for thread in threads:
        thread.start()
    found = Measured()
    try:
        time.sleep(seconds)
        sent = time.monotonic()
        left = scim.patch(f"{nodes[0].issuer}/scim/v2/Users/{made.json()['id']}", json=LEAVES, timeout=30)
        over = time.monotonic()
        assert left.json()["active"] is False, left.text
        time.sleep(seconds)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    found.answered = over - sent
    for began, what, succeeded in log:
        if began < sent:
            found.before[what] += succeeded
        elif began > over:
            found.asked_after[what] += 1
            found.succeeded_after[what] += succeeded
        if succeeded and what in HIS:
            found.last = max(found.last, began - sent)
    return found


LEAVES = {"schemas": [PATCH], "Operations": [{"op": "Replace", "path": "active", "value": "False"}]}


def scim_of(node: RunningGatehouse) -> requests.Session:
    """The directory, with a token of its own."""
    (token,) = re.findall(r"^token +(\S+)$", node.manage("directory", "token", "Staff"), re.MULTILINE)
    session = requests.Session()
    session.trust_env = False
    session.headers.update({"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"})
    return session


def signed_in(node: RunningGatehouse) -> dict[str, Any]:
    """Bob at the agent: an access token for Notes, a refresh token, and an ID token to exchange."""
    asked = {
        "client_id": company.AGENT[0], "response_type": "code", "redirect_uri": REDIRECT, "resource": NOTES,
        "scope": "openid email mcp:read offline_access", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        "nonce": "n", "prompt": "consent",
    }  # fmt: skip
    back = Person("bob", "bob-password").authorize(f"{node.url('authorize')}?{urlencode(asked)}")
    code = parse_qs(urlsplit(back).query)["code"][0]
    answer = node.token(
        auth=company.AGENT, grant_type="authorization_code", code=code, redirect_uri=REDIRECT, code_verifier=VERIFIER
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _requests(node: RunningGatehouse, his: dict[str, Any]) -> list[tuple[str, Callable[[], bool]]]:
    token = his["access_token"]

    def is_active() -> bool:
        return node.introspect(token, RESOURCE_SERVER).get("active") is True

    def decided(subject: dict[str, str], action: dict[str, Any]) -> bool:
        asked = {"subject": subject, "action": action, "resource": {"type": "tool", "id": "search"}}
        answer = node.ask("POST", node.url("access/v1/evaluation"), json=asked, auth=RESOURCE_SERVER)
        return answer.status_code == 200 and answer.json()["decision"] is True

    def refresh() -> bool:
        # Both nodes present the same one: the window of repeats gives them one successor.
        answer = node.token(auth=company.AGENT, grant_type="refresh_token", refresh_token=his["refresh_token"])
        if answer.status_code == 200:
            his.update(answer.json())
        return answer.status_code == 200

    def id_jag() -> bool:
        form = {
            "grant_type": company.TOKEN_EXCHANGE, "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "audience": company.CHAT, "resource": company.CHAT_MCP, "scope": "chat.read",
            "subject_token": his["id_token"], "subject_token_type": company.ID_TOKEN_TYPE,
        }  # fmt: skip
        return node.token(auth=company.AGENT, **form).status_code == 200

    def machine() -> bool:
        answer = node.token(auth=("nightly-report", SECRET), grant_type="client_credentials", resource=NOTES)
        return answer.status_code == 200

    call = {"name": "tools/call", "properties": {"arguments": {}}}
    return [
        ("introspection", is_active),
        ("decision", lambda: decided({"type": "token", "id": token}, call)),
        ("refresh", refresh),
        ("ID-JAG", id_jag),
        ("another agent's token", machine),
    ]
