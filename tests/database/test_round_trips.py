"""How often a request waits for PostgreSQL, by grant. docs/decisions/0071-round-trips.md says what for. A number that
grows is a decision.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from django.conf import settings

from authz.database.postgresql.connections import BoundedConnection
from authz.endpoints import machine as machine_endpoints
from tests.database.test_postgresql_event_loop import MACHINE, Told, ask, machine, refresh, together, token
from tests.decision_point.conftest import call, configure
from tests.support import assertions, world
from tests.support.world import REDIRECT, SERVER_SECRET, VERIFIER, World

pytestmark = [
    pytest.mark.skipif(settings.IS_SQLITE, reason="SQLite is a file"),
    pytest.mark.django_db(transaction=True),
]
Ask = Callable[[], Awaitable[Told]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each wait for an answer of PostgreSQL."""
    waits: list[str] = []
    wait = BoundedConnection._wait_in_greenlet

    def counted(self: BoundedConnection, request: Any, gen: Any) -> Any:
        def noted() -> Iterator[Any]:
            try:
                wanted = next(gen)
                waits.append("sent")
                while True:
                    ready = yield wanted
                    wanted = gen.send(ready)
            except StopIteration as end:
                return end.value

        return wait(self, request, noted())

    monkeypatch.setattr(BoundedConnection, "_wait_in_greenlet", counted)
    return waits


def code(of: World) -> Ask:
    found = of.authorize()["code"]
    form = {
        "grant_type": "authorization_code",
        "client_id": "desktop-app",
        "code": found,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    return lambda: token(form)


def signed(of: World) -> Ask:
    form = MACHINE | assertions.client_assertion("signing-agent")
    return lambda: token(form)


def introspected(of: World) -> Ask:
    form = {"token": of.signed_in_tokens()["access_token"]}
    return lambda: ask("POST", "introspect", form, basic=world.basic_header("notes-server", SERVER_SECRET))


def decided(of: World) -> Ask:
    question = call(of.signed_in_tokens()["access_token"], "search", {"text": "plans"})
    asker = world.basic_header("notes-server", SERVER_SECRET)
    return lambda: ask("POST", "access/v1/evaluation", document=question, basic=asker)


def refused(of: World) -> Ask:
    return lambda: token(MACHINE, basic=world.basic_header("nightly-report", "wrong" * 10))


ROUND_TRIPS: dict[str, tuple[Callable[[World], Ask], int]] = {
    "client_credentials": (lambda of: machine, 2),
    "private_key_jwt": (signed, 3),
    "refresh": (refresh, 2),
    "code": (code, 6),
    "introspection": (introspected, 2),
    "a decision on a call": (decided, 2),
    "a wrong secret": (refused, 2),
    "metadata": (lambda of: lambda: ask("GET", "/.well-known/oauth-authorization-server/o"), 0),
    "jwks": (lambda of: lambda: ask("GET", "jwks"), 0),
}


@pytest.mark.parametrize(("asked", "most"), ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_a_request_waits_no_more_often_than_the_decision_says(
    committed_gatehouse: World, sent: list[str], asked: Callable[[World], Ask], most: int
) -> None:
    configure()
    for _ in range(2):  # what is cached is there, and the first use of a tool is over
        together(asked(committed_gatehouse))
    another = asked(committed_gatehouse)
    sent.clear()
    status = together(another)[0][0]
    assert status == (401 if asked is refused else 200)
    assert len(sent) == most


@pytest.mark.parametrize("address", ["/.well-known/oauth-authorization-server/o", "jwks"])
def test_what_many_read_at_once_is_read_once_or_twice(
    committed_gatehouse: World, sent: list[str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a second is over the first asks, and all that come while it waits share the next reading."""
    monkeypatch.setattr(machine_endpoints, "YOUNG_SECONDS", -1.0)
    together(lambda: ask("GET", address))  # read, and not remembered from another test: what is cached is there
    sent.clear()
    answers = together(*[lambda: ask("GET", address)] * 20)
    assert {status for status, *_ in answers} == {200}
    assert len(sent) == 2
