"""Ending access under load: what four server processes still answer after its response has returned."""

import base64
import re
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import requests

from tests.support import databases, processes, world
from tests.support.processes import RunningGatehouse
from tests.support.world import NOTES, SECRET, SERVER_SECRET

FAMILIES = 2
RESOURCE_SERVER = ("notes-server", SERVER_SECRET)
# The requests, and the cut-off that ends them: of an agent for people, then of a machine's MCP server.
ENDED_BY = {
    "introspection": ("client", "desktop-app"),
    "decision on a call": ("client", "desktop-app"),
    "refresh": ("client", "desktop-app"),
    "machine's introspection": ("resource", NOTES),
    "machine's call": ("resource", NOTES),
    "new token": ("resource", NOTES),
}
# How long to wait for the lists of all processes to show it.
PATIENCE = 20.0


@dataclass(slots=True)
class Measured:
    """By what was asked for: how often it succeeded before its end, how often it was asked after, and how often it
    then succeeded. `listed`: after how many seconds twelve lists in a row showed it; `valid`: how long the last list
    that did not is good for.
    """

    before: Counter[str] = field(default_factory=Counter)
    asked_after: Counter[str] = field(default_factory=Counter)
    succeeded_after: Counter[str] = field(default_factory=Counter)
    listed: float = float("inf")
    valid: float = 0.0


def measure(directory: Path, *, workers: int = 4, seconds: float = 1.0) -> Measured:
    """Start a server, load it, use the switch in the console twice, and go on asking."""
    wanted = f"identifier: {NOTES}\n"
    configuration = world.configuration().replace(
        wanted, f"{wanted}    status_list: true\n    decision_clients: [notes-server]\n"
    )
    with (
        databases.database(directory, configuration) as url,
        processes.running(url, directory, workers=workers) as server,
    ):
        return _measure(server, seconds)


def _measure(server: RunningGatehouse, seconds: float) -> Measured:
    alice = _signed_in(server, "alice")
    families = [server.redeem(server.code()).json() for _ in range(FAMILIES)]
    place = jwt.decode(families[0]["access_token"], options={"verify_signature": False})["status"]["status_list"]
    log: list[tuple[float, str, bool]] = []
    stop = threading.Event()

    def again(what: str, call: Callable[[], bool]) -> None:
        while not stop.is_set():
            began = time.monotonic()
            log.append((began, what, call()))

    threads = [threading.Thread(target=again, args=pair) for pair in _requests(server, families)]
    for thread in threads:
        thread.start()
    over: dict[tuple[str, str], float] = {}
    measured = Measured()
    try:
        time.sleep(seconds)
        valid_until = _list(server, place)[1]
        for target in dict.fromkeys(ENDED_BY.values()):
            _cut_off(server, alice, *target)
            over[target] = time.monotonic()
            if target[0] == "client":
                measured.valid = valid_until - time.time()
                measured.listed = _listed(server, place, over[target])
            time.sleep(max(0.0, over[target] + seconds - time.monotonic()))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for began, what, succeeded in log:
        if began < over[ENDED_BY[what]]:
            measured.before[what] += succeeded
        else:
            measured.asked_after[what] += 1
            measured.succeeded_after[what] += succeeded
    return measured


def _requests(server: RunningGatehouse, families: list[dict[str, str]]) -> list[tuple[str, Callable[[], bool]]]:
    def is_active(token: str) -> bool:
        return server.introspect(token, RESOURCE_SERVER).get("active") is True

    def is_allowed(token: str) -> bool:
        asked = {
            "subject": {"type": "token", "id": token},
            "action": {"name": "tools/call", "properties": {"arguments": {}}},
            "resource": {"type": "tool", "id": "search"},
        }
        answer = server.ask("POST", server.url("access/v1/evaluation"), json=asked, auth=RESOURCE_SERVER)
        # Once its MCP server has ended, its client is named by none.
        return answer.status_code == 200 and answer.json()["decision"] is True

    def refresh(family: dict[str, str]) -> bool:
        answer = server.refresh(family["refresh_token"])
        if answer.status_code == 200:
            family.update(answer.json())
        return answer.status_code == 200

    def new_token() -> bool:
        answer = server.token(auth=("nightly-report", SECRET), grant_type="client_credentials", resource=NOTES)
        return answer.status_code == 200

    machine = server.token(auth=("nightly-report", SECRET), grant_type="client_credentials", resource=NOTES).json()
    calls: list[tuple[str, Callable[[], bool]]] = [
        ("new token", new_token),
        ("machine's introspection", lambda: is_active(machine["access_token"])),
        ("machine's call", lambda: is_allowed(machine["access_token"])),
    ]
    for family in families:
        calls.append(("refresh", lambda family=family: refresh(family)))  # type: ignore[misc]
        calls.append(("introspection", lambda family=family: is_active(family["access_token"])))  # type: ignore[misc]
        calls.append(("decision on a call", lambda family=family: is_allowed(family["access_token"])))  # type: ignore[misc]
    return calls


def _signed_in(server: RunningGatehouse, username: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    address = f"{server.origin}/accounts/login/"
    form = {"login": username, "password": f"{username}-password", "csrfmiddlewaretoken": _token(session, address)}
    assert session.post(address, data=form, timeout=30).status_code == 200
    return session


def _cut_off(server: RunningGatehouse, alice: requests.Session, kind: str, identifier: str) -> None:
    address = f"{server.origin}/console/switch/{kind}/?{urlencode({'id': identifier})}"
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', alice.get(address, timeout=30).text)
    form = dict(hidden) | {"reason": "measured"}
    answer = alice.post(address, data=form, timeout=30, allow_redirects=False)
    assert answer.status_code == 302, answer.text


def _token(session: requests.Session, address: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', session.get(address, timeout=30).text)
    assert found is not None
    return found[1]


def _listed(server: RunningGatehouse, place: dict[str, Any], over: float) -> float:
    # Each on a connection of its own, so that every process is asked.
    shown, first = 0, float("inf")
    while shown < 12 and time.monotonic() < over + PATIENCE:
        shown = shown + 1 if _list(server, place)[0] == 1 else 0
        if shown == 1:
            first = time.monotonic() - over
    return first if shown == 12 else float("inf")


def _list(server: RunningGatehouse, place: dict[str, Any]) -> tuple[int, float]:
    """The status at a place and until when the list that says so is valid, as a resource server reads it."""
    token = server.ask("GET", place["uri"]).text
    keys = server.ask("GET", server.url("jwks")).json()["keys"]
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(jwt.PyJWK(key) for key in keys if key["kid"] == kid)
    claims = jwt.decode(token, key, algorithms=["RS256"])
    assert claims["sub"] == place["uri"]
    array = zlib.decompress(base64.urlsafe_b64decode(claims["status_list"]["lst"] + "=="))
    return array[place["idx"] // 8] >> place["idx"] % 8 & 1, float(claims["exp"])
