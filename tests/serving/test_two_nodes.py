"""Two servers on one PostgreSQL: what happens once happens once over both, what ends has ended at both, and either may
die.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from django.conf import settings

from authz.grants.deferred import GRANT_TYPE as DEFERRED
from demo.processes import free_port
from tests.serving.two_nodes import (
    approve,
    call,
    configuration,
    deferred,
    machine,
    node,
    overdue,
    recorded,
    signed_in,
    succeeded_since,
    until,
)
from tests.support import databases, world
from tests.support.assertions import client_assertion
from tests.support.processes import RunningGatehouse
from tests.support.races import at_once
from tests.support.world import SECRET, SERVER_SECRET, claims
from tests.xaa.company import JWT_BEARER, Idp

pytestmark = pytest.mark.skipif(settings.IS_SQLITE, reason="SQLite is for one node")

AT_ONCE = 8
AGENT = ("cross-app-agent", SECRET)
RESOURCE_SERVER = ("notes-server", SERVER_SECRET)
Nodes = tuple[RunningGatehouse, RunningGatehouse]


@pytest.fixture(scope="module")
def idp() -> Idp:
    return Idp()


@pytest.fixture(scope="module")
def nodes(idp: Idp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Both serve one issuer, each with a run directory of its own. A refresh token is good once."""
    directory, port = tmp_path_factory.mktemp("nodes"), free_port()
    with (
        databases.database(directory, configuration(idp)) as url,
        node(url, directory, port, port) as first,
        node(url, directory, port, free_port()) as second,
    ):
        yield first, second


def issuer(nodes: Nodes) -> str:
    return nodes[0].issuer


def over_both(nodes: Nodes, ask: Callable[[RunningGatehouse], requests.Response]) -> list[requests.Response]:
    """The answers to many of the same request at once, every second one at the other node."""
    return at_once([lambda at=nodes[number % 2]: ask(at) for number in range(AT_ONCE)])  # type: ignore[misc]


def is_active(at: RunningGatehouse, token: str) -> bool:
    return at.introspect(token, RESOURCE_SERVER)["active"] is True


# --- Once ------------------------------------------------------------------------------------------------------------


def of_a_code(nodes: Nodes, idp: Idp) -> Callable[[RunningGatehouse], requests.Response]:
    code = nodes[0].code()
    return lambda at: at.redeem(code)


def of_a_refresh_token(nodes: Nodes, idp: Idp) -> Callable[[RunningGatehouse], requests.Response]:
    token = nodes[0].redeem(nodes[0].code()).json()["refresh_token"]
    return lambda at: at.refresh(token)


def of_a_client_assertion(nodes: Nodes, idp: Idp) -> Callable[[RunningGatehouse], requests.Response]:
    assertion = client_assertion(aud=issuer(nodes))
    data = assertion | {"grant_type": "client_credentials"}
    return lambda at: at.ask("POST", at.url("token"), data=data)


def of_an_id_jag(nodes: Nodes, idp: Idp) -> Callable[[RunningGatehouse], requests.Response]:
    assertion = idp.id_jag(aud=issuer(nodes), client_id=AGENT[0])
    return lambda at: at.token(auth=AGENT, grant_type=JWT_BEARER, assertion=assertion)


def of_a_deferral(nodes: Nodes, idp: Idp) -> Callable[[RunningGatehouse], requests.Response]:
    code, waiting = deferred(nodes[0], "deferred-agent")
    assert approve(nodes[0], signed_in(nodes[0]), waiting).status_code == 200
    return lambda at: at.token(auth=("deferred-agent", SECRET), grant_type=DEFERRED, deferral_code=code)


@pytest.mark.parametrize(
    "of",
    [of_a_code, of_a_refresh_token, of_a_client_assertion, of_an_id_jag, of_a_deferral],
    ids=lambda of: of.__name__,
)
def test_of_many_uses_over_both_nodes_exactly_one_gets_a_token(
    nodes: Nodes, idp: Idp, of: Callable[[Nodes, Idp], Callable[[RunningGatehouse], requests.Response]]
) -> None:
    ask = of(nodes, idp)
    before = nodes[0].recorded("token:access:issued")
    answers = over_both(nodes, ask)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {400, 401}
    assert nodes[0].recorded("token:access:issued") == before + 1


def test_a_request_is_approved_once_over_both_nodes(nodes: Nodes) -> None:
    _, waiting = deferred(nodes[0], "waiting-agent")
    browser = signed_in(nodes[0])
    answers = over_both(nodes, lambda at: approve(at, browser, waiting))
    assert sorted({answer.status_code for answer in answers}) == [200, 409]
    assert sum(answer.status_code == 200 for answer in answers) == 1


# --- What ends, ends at both -----------------------------------------------------------------------------------------


def test_a_revocation_at_one_node_holds_at_the_other_at_once(nodes: Nodes) -> None:
    for here, there in (nodes, nodes[::-1]):
        tokens = here.redeem(here.code()).json()
        assert is_active(there, tokens["access_token"])
        data = {"token": tokens["refresh_token"], "client_id": "desktop-app"}
        assert here.ask("POST", here.url("revoke"), data=data).status_code == 200
        assert not is_active(there, tokens["access_token"])
        assert there.refresh(tokens["refresh_token"]).status_code == 400


def test_the_end_of_a_persons_access_at_one_node_holds_at_the_other_at_once(nodes: Nodes) -> None:
    here, there = nodes
    tokens = here.redeem(here.code("dora")).json()
    assert is_active(there, tokens["access_token"])
    end = {"kind": "person", "name": "dora", "reason": "The laptop was stolen."}
    assert call(here, signed_in(here), "POST", "end_access", end).status_code == 200
    assert not is_active(there, tokens["access_token"])
    assert there.refresh(tokens["refresh_token"]).status_code == 400


def test_the_end_of_an_agents_access_at_one_node_holds_at_the_other_at_once(nodes: Nodes) -> None:
    here, there = nodes
    asked = {"grant_type": "client_credentials", "client_id": "posting-agent", "client_secret": SECRET}
    token = here.ask("POST", here.url("token"), data=asked).json()["access_token"]
    assert is_active(there, token)
    end = {"kind": "client", "name": "posting-agent", "reason": "Its secret leaked."}
    assert call(here, signed_in(here), "POST", "end_access", end).status_code == 200
    assert not is_active(there, token)
    assert there.ask("POST", there.url("token"), data=asked).status_code in {400, 401}


def test_a_change_of_the_rules_at_one_node_holds_at_the_other_at_once(nodes: Nodes) -> None:
    browser = signed_in(nodes[0])
    for number, status in enumerate([400, 200] * 3):
        here, there = nodes if number % 4 < 2 else nodes[::-1]
        change = {"enabled": status == 200}
        answer = call(here, browser, "PATCH", "configuration/rules/Agents%20read%20notes", change)
        assert answer.status_code == 200, answer.text
        assert [machine(there).status_code for _ in range(4)] == [status] * 4


# --- One of them dies ------------------------------------------------------------------------------------------------


def test_a_node_that_is_killed_under_load_loses_nothing_and_the_other_goes_on(nodes: Nodes, tmp_path: Path) -> None:
    survivor, port = nodes[1], int(nodes[0].server.env["PORT"])
    received: list[str] = []
    refused: list[str] = []
    over = threading.Event()

    def client(mortal: RunningGatehouse) -> None:
        at = mortal
        while not over.is_set():
            try:
                answer = machine(at)
            except requests.ConnectionError:
                at = survivor  # what a proxy does
                continue
            if answer.status_code == 200:
                received.append(claims(answer.json()["access_token"])["jti"])
            else:
                refused.append(answer.text)

    with node(survivor.database_url, tmp_path, port, free_port()) as mortal:
        threads = [threading.Thread(target=client, args=(at,)) for at in (mortal, mortal, mortal, survivor)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        mortal.kill()
        killed = len(received)
        time.sleep(1)
        over.set()
        for thread in threads:
            thread.join()
    assert 0 < killed < len(received)
    assert refused == []
    assert set(received) <= recorded(survivor.database_url)


def test_scheduled_tasks_are_taken_over_within_seconds(nodes: Nodes, tmp_path: Path) -> None:
    port = int(nodes[0].server.env["PORT"])
    with databases.database(tmp_path, world.configuration()) as url, node(url, tmp_path, port, free_port()) as mortal:
        until(lambda: succeeded_since(url, 0) > 0, 30)
        with node(url, tmp_path, port, free_port()):
            mortal.kill()
            killed = time.time()
            until(lambda: succeeded_since(url, killed) > 0 and overdue(url) == 0, 15)
