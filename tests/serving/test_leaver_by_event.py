"""A leaver by one CAEP event, over two nodes on PostgreSQL under load: nothing works at either from its answer on."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from django.conf import settings

from demo.processes import free_port
from tests.serving.two_nodes import configuration, node
from tests.support import databases
from tests.support.processes import RunningGatehouse
from tests.support.world import NOTES, SECRET, SERVER_SECRET
from tests.xaa.company import JWT_BEARER, Idp
from xaa.signals.event_types import EventType

pytestmark = pytest.mark.skipif(settings.IS_SQLITE, reason="SQLite is for one node")

AGENT = ("cross-app-agent", SECRET)
RESOURCE_SERVER = ("notes-server", SERVER_SECRET)
DORA = {"sub": "dora-at-idp", "email": "dora@example.com"}
# The event's answer, and everything after it.
SECONDS = 5.0


def written(idp: Idp) -> str:
    named = f"identifier: {NOTES}\n"
    decides = configuration(idp).replace(named, f"{named}    decision_clients: [notes-server]\n")
    source = f"signal_sources: [{{name: Idp, issuer: '{idp.issuer}', actions: {{session-revoked: end}}}}]\n"
    return decides + source


def test_nothing_works_at_either_node(tmp_path: Path) -> None:
    idp, port = Idp(), free_port()
    with (
        databases.database(tmp_path, written(idp)) as url,
        node(url, tmp_path, port, port) as first,
        node(url, tmp_path, port, free_port()) as second,
    ):
        made = first.manage("signals", "token", "Idp")
        token = next(line.split()[1] for line in made.splitlines() if line.startswith("token"))
        cross = redeemed(first, idp, first.issuer)
        assert cross.status_code == 200, cross.text
        families = [at.redeem(at.code("dora")).json() for at in (first, second)]
        calls = [
            (name, call)
            for at, family in ((first, families[0]), (second, families[1]))
            for name, call in requests_of(
                at, family, cross.json()["access_token"], lambda at=at: redeemed(at, idp, first.issuer)
            )  # type: ignore[misc]
        ]
        log: list[tuple[float, str, bool]] = []
        over = threading.Event()

        def again(name: str, call: Callable[[], bool]) -> None:
            while not over.is_set():
                began = time.monotonic()
                log.append((began, name, call()))

        threads = [threading.Thread(target=again, args=pair) for pair in calls]
        for thread in threads:
            thread.start()
        try:
            time.sleep(1)
            sent = time.monotonic()
            answer = push(second, idp, first.issuer, token)
            answered = time.monotonic()
            time.sleep(1)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert answer.status_code == 202, answer.text
    before = Counter(name for began, name, worked in log if began < sent and worked)
    after = Counter(name for began, name, worked in log if began > answered and worked)
    assert set(before) == {name for name, _ in calls}, "all of it worked before"
    assert after == Counter(), "and nothing of it from the answer on"
    asked = Counter(name for began, name, _ in log if began > answered)
    assert set(asked) == set(before)
    print(f"answered after {answered - sent:.3f} s; asked after it: {dict(asked)}")
    assert answered - sent < SECONDS


def requests_of(
    at: RunningGatehouse, family: dict[str, str], cross: str, redeem: Callable[[], requests.Response]
) -> list[tuple[str, Callable[[], bool]]]:
    def refresh() -> bool:
        answer = at.refresh(family["refresh_token"])
        if answer.status_code == 200:
            family.update(answer.json())
        return answer.status_code == 200

    def decide() -> bool:
        asked = {
            "subject": {"type": "token", "id": cross},
            "action": {"name": "tools/call", "properties": {"arguments": {}}},
            "resource": {"type": "tool", "id": "search"},
        }
        answer = at.ask("POST", at.url("access/v1/evaluation"), json=asked, auth=RESOURCE_SERVER)
        return answer.status_code == 200 and answer.json()["decision"] is True

    return [
        ("refresh", refresh),
        ("introspection", lambda: at.introspect(cross, RESOURCE_SERVER)["active"] is True),
        ("decision", decide),
        ("ID-JAG", lambda: redeem().status_code == 200),
    ]


def redeemed(at: RunningGatehouse, idp: Idp, issuer: str) -> requests.Response:
    assertion = idp.id_jag(aud=issuer, client_id=AGENT[0], **DORA)
    return at.token(auth=AGENT, grant_type=JWT_BEARER, assertion=assertion)


def push(at: RunningGatehouse, idp: Idp, issuer: str, token: str) -> requests.Response:
    said = {
        "iss": idp.issuer,
        "aud": issuer,
        "iat": int(time.time()),
        "jti": uuid.uuid4().hex,
        "sub_id": {"format": "iss_sub", "iss": idp.issuer, "sub": DORA["sub"]},
        "events": {EventType.SESSION_REVOKED.value: {"reason_admin": {"en": "left the company"}}},
    }
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/secevent+jwt"}
    body = idp.sign(said, "secevent+jwt")
    return at.ask("POST", at.url("signals/events"), data=body, headers=headers)
