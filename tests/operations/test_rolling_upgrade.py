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

    def any(self) -> RunningGatehouse:
        return self.chance.choice(self.nodes)

    def token(self, kind: str, answer: requests.Response) -> dict[str, str]:
        if answer.status_code != 200:
            self.failed.append(f"{kind}: {answer.status_code} {answer.text}")
            return {}
        body: dict[str, str] = answer.json()
        self.received.add(claims(body["access_token"])["jti"])
        self.done[kind] += 1
        return body

    def machine(self) -> None:
        answer = self.any().token(auth=("nightly-report", SECRET), grant_type="client_credentials")
        if body := self.token("client_credentials", answer):
            if self.any().introspect(body["access_token"], ("notes-server", SERVER_SECRET)).get("active") is True:
                self.done["introspection"] += 1
            else:
                self.failed.append("a new token is not active")

    def rotation(self) -> None:
        self.family = self.token("refresh_token", self.any().refresh(self.family)).get("refresh_token", self.family)

    def person(self) -> None:
        code = self.any().code()
        tokens = self.token("authorization_code", self.any().redeem(code))
        data = {"token": tokens.get("refresh_token", ""), "client_id": "desktop-app"}
        answer = self.any().ask("POST", self.any().url("revoke"), data=data)
        if answer.status_code != 200:
            self.failed.append(f"revocation: {answer.status_code}")
        elif tokens and self.any().introspect(tokens["access_token"], ("notes-server", SERVER_SECRET))["active"]:
            self.failed.append("a revoked token is active")
        else:
            self.done["revocation"] += 1

    @contextmanager
    def going_on(self) -> Iterator[None]:
        over = threading.Event()

        def again_and_again(what: Callable[[], None]) -> None:
            while not over.wait(PAUSE):
                try:
                    what()
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
            commands.python(["manage.py", "prepare"], commands.environment(url, GATEHOUSE_ISSUER=issuer))
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
