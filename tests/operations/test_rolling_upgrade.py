"""A rolling upgrade: the former version serves while the new one migrates its database, and then both serve it."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from django.conf import settings

from demo.browser import CannotGoOn
from demo.processes import free_port
from tests.serving.two_nodes import recorded
from tests.support import commands, databases, former_version, processes
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET, SERVER_SECRET, claims, configuration

pytestmark = [
    pytest.mark.skipif(settings.IS_SQLITE, reason="SQLite is for one node"),
    pytest.mark.skipif(bool(former_version.missing()), reason=former_version.missing()),
]
# Seconds of each part of the upgrade, at least, and of the pause between two requests of one client.
PART, PAUSE = 2.0, 0.05
KINDS = ("client_credentials", "introspection", "refresh_token", "authorization_code", "revocation")


@dataclass
class Traffic:
    """Clients that go on all the while, each request at any of the nodes in service."""

    nodes: list[RunningGatehouse]
    chance: random.Random = field(default_factory=lambda: random.Random(5))
    # What was answered as it should be, and what was not.
    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    received: set[str] = field(default_factory=set)
    family: str = ""
    # A migration locks the table that it changes for a moment. What waits for longer than a statement may take is told
    # to come again (503 with Retry-After), and these clients do; at any other time that is a failure.
    is_migrating: bool = False
    told_to_come_again: int = 0

    def any(self) -> RunningGatehouse:
        return self.chance.choice(self.nodes)

    def token(self, kind: str, answer: requests.Response) -> dict[str, str]:
        if not self.is_well(kind, answer):
            return {}
        body: dict[str, str] = answer.json()
        self.received.add(claims(body["access_token"])["jti"])
        self.done[kind] += 1
        return body

    def fail(self, error: str, kind: str, *, may_come_again: bool) -> None:
        """`error` begins with the status."""
        if self.is_migrating and may_come_again and error.startswith("503 "):
            self.told_to_come_again += 1
        else:
            self.failed.append(f"{kind}: {error}")

    def is_well(self, kind: str, answer: requests.Response) -> bool:
        if answer.status_code != 200:
            self.fail(f"{answer.status_code} {answer.text}", kind, may_come_again="Retry-After" in answer.headers)
        return answer.status_code == 200

    def check(self, access_token: str, kind: str, *, expected: bool) -> None:
        """Whether a node says of a token what is expected."""
        at = self.any()
        auth = ("notes-server", SERVER_SECRET)
        answer = at.ask("POST", at.url("introspect"), data={"token": access_token}, auth=auth)
        if self.is_well("introspection", answer):
            if answer.json()["active"] is expected:
                self.done[kind] += 1
            else:
                self.failed.append(f"{kind}: active is not {expected}")

    def machine(self) -> None:
        answer = self.any().token(auth=("nightly-report", SECRET), grant_type="client_credentials")
        if body := self.token("client_credentials", answer):
            self.check(body["access_token"], "introspection", expected=True)

    def rotation(self) -> None:
        self.family = self.token("refresh_token", self.any().refresh(self.family)).get("refresh_token", self.family)

    def person(self) -> None:
        code = self.any().code()
        if tokens := self.token("authorization_code", self.any().redeem(code)):
            at, data = self.any(), {"token": tokens["refresh_token"], "client_id": "desktop-app"}
            if self.is_well("revocation", at.ask("POST", at.url("revoke"), data=data)):
                self.check(tokens["access_token"], "revocation", expected=False)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        over = threading.Event()

        def again_and_again(what: Callable[[], None]) -> None:
            while not over.wait(PAUSE):
                try:
                    what()
                except CannotGoOn as error:
                    self.fail(str(error), what.__name__, may_come_again=True)
                except Exception as error:  # an exception of a client is a failed request
                    self.failed.append(f"{what.__name__}: {error!r}")

        self.family = self.nodes[0].redeem(self.nodes[0].code()).json()["refresh_token"]
        threads = [threading.Thread(target=again_and_again, args=(one,)) for one in self.kinds()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join(60)

    def kinds(self) -> tuple[Callable[[], None], ...]:
        return (self.machine, self.rotation, self.person)

    def part(self) -> None:
        """Until each kind of request was answered again; nothing may fail meanwhile."""
        before, began = Counter(self.done), time.monotonic()
        while any(self.done[kind] < before[kind] + 2 for kind in KINDS):
            assert self.failed == []
            assert time.monotonic() < began + 90, self.done
            time.sleep(0.1)
        time.sleep(max(0.0, began + PART - time.monotonic()))


def test_a_former_version_serves_while_the_new_one_migrates_and_then_beside_it(tmp_path: Path) -> None:
    code, port = former_version.unpack(tmp_path / "former"), free_port()
    with databases.empty(tmp_path) as url:
        old, file = former_version.environment(url, port), tmp_path / "world.yaml"
        file.write_text(configuration())
        former_version.manage(code, old, "migrate", "--verbosity", "0")
        former_version.manage(code, old, "keys", "ensure")
        former_version.manage(code, old, "apply", str(file))
        issuer = old["GATEHOUSE_ISSUER"]
        with former_version.running(code, url, tmp_path, port) as former, ExitStack() as clients:
            traffic = Traffic([former])
            clients.enter_context(traffic.going_on())
            traffic.part()
            traffic.is_migrating = True
            commands.python(["manage.py", "prepare"], commands.environment(url, GATEHOUSE_ISSUER=issuer))
            time.sleep(5)  # until what waited has been answered
            traffic.is_migrating = False
            traffic.part()  # the former version on the new tables
            with processes.running(url, tmp_path, workers=1, GATEHOUSE_ISSUER=issuer) as new:
                traffic.nodes.append(new)
                traffic.part()  # both
                traffic.nodes.remove(former)
                traffic.part()
                clients.close()
                verified = _sealed_and_verified(new)
        assert traffic.failed == []
        assert len(traffic.received) > 20
        assert traffic.received <= recorded(url)
        assert "all is as it was sealed" in verified


def _sealed_and_verified(node: RunningGatehouse) -> str:
    """What `audit verify` says of the events of both versions. It raises where it finds something."""
    node.manage("audit", "seal")
    return node.manage("audit", "verify")
