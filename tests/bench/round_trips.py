"""Both databases, and PostgreSQL at several distances, in one interleaved run: `python -m tests.bench.round_trips`.

BENCH_POSTGRES is the URL of the server that databases are made on; BENCH_SECONDS a measurement's length; BENCH_ROUNDS
how often each is taken (the median counts); BENCH_LINES some of the lines. Of each it prints requests a second, the
processor time that a request costs in the worker processes, p99, and the ratios to PostgreSQL without a round trip and
to SQLite. A line with requests that failed says so, and the run fails: a refusal is faster than an answer.
"""

import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from unittest import mock
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.bench import delaying_proxy, load, servers
from tests.bench.load import Figures
from tests.bench.servers import Prepared, Server
from tests.support.world import SECRET, SERVER_SECRET, basic_header

SECONDS = int(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
POSTGRES = os.environ.get("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
# Milliseconds.
ROUND_TRIPS = [float(text) for text in os.environ.get("BENCH_ROUND_TRIPS", "0,0.5,1,2,5").split(",")]
# How many families a run of refreshing uses: more than connections, since each waits for the token of its last answer.
# The next run has others: the last answers of this one are lost, and with them the tokens that would come next.
FAMILIES = max(200, 4 * load.CONNECTIONS)
TICKS = os.sysconf("SC_CLK_TCK")
BASIC = basic_header("nightly-report", SECRET)


@dataclass(frozen=True, slots=True)
class Measured:
    figures: Figures
    microseconds: float


@dataclass(frozen=True, slots=True)
class Place:
    """A server with its database; `round_trip` of the proxy in between, in milliseconds, None where there is none."""

    name: str
    server: Server
    prepared: Prepared
    proxy: delaying_proxy.Proxy | None = None
    round_trip: float = 0.0

    def measure(self, line: str) -> Measured:
        if self.proxy is not None:
            self.proxy.set_round_trip(self.round_trip)
        before = _processor_time(self.server)
        figures = LINES[line](self.server, self.prepared)
        spent = _processor_time(self.server) - before
        return Measured(figures, spent / (figures.per_second * SECONDS) * 1e6)


def _machine(server: Server, prepared: Prepared) -> Figures:
    form = f"grant_type=client_credentials&resource={prepared.es256}"
    return load.run(server.token, load.post(form, basic=BASIC), seconds=SECONDS)


def _introspection(server: Server, prepared: Prepared) -> Figures:
    script = load.post(f"token={prepared.access_token}", basic=basic_header("notes-server", SERVER_SECRET))
    return load.run(server.introspect, script, seconds=SECONDS)


def _signed(server: Server, prepared: Prepared) -> Figures:
    """Each assertion once: what a run has used is gone."""
    lines = prepared.assertions.read_text().splitlines(keepends=True)
    figures = load.run(server.token, load.post_each(prepared.assertions), seconds=SECONDS)
    used = int(figures.per_second * SECONDS * 1.2) + 100
    prepared.assertions.write_text("".join(lines[used:]))
    return figures


def refreshed(url: str, tokens: Path) -> Figures:
    """With families that no run has rotated yet. Raises RuntimeError where none are left."""
    rest, now = tokens.read_text().splitlines(keepends=True), tokens.with_name("now.txt")
    if len(rest) < FAMILIES:
        raise RuntimeError("all families have been used")
    now.write_text("".join(rest[:FAMILIES]))
    tokens.write_text("".join(rest[FAMILIES:]))
    return load.run(url, load.refresh(now, "desktop-app"), seconds=SECONDS)


LINES: dict[str, Callable[[Server, Prepared], Figures]] = {
    "client_credentials": _machine,
    "private_key_jwt": _signed,
    "refresh": lambda server, prepared: refreshed(server.token, prepared.refresh_tokens),
    "introspection": _introspection,
    "metadata": lambda server, prepared: load.run(server.metadata, "", seconds=SECONDS),
}


def main() -> int:
    has_failed = False
    lines = [name for name in os.environ.get("BENCH_LINES", ",".join(LINES)).split(",") if name]
    with ExitStack() as stack:
        places = list(_places(stack))
        for line in lines:
            taken: dict[str, list[Measured]] = {place.name: [] for place in places}
            for _ in range(ROUNDS):
                for place in places:
                    taken[place.name].append(place.measure(line))
            _show(line, taken)
            has_failed |= any(one.figures.failed for several in taken.values() for one in several)
    return int(has_failed)


def _show(line: str, taken: dict[str, list[Measured]]) -> None:
    print(f"\n{line:<34}{'a second':>9}{'CPU µs':>8}{'p99 ms':>8}{'to near':>9}{'to SQLite':>11}")
    near = next(several for name, several in taken.items() if name.startswith("PostgreSQL, round trip"))
    for name, several in taken.items():
        rate = median(one.figures.per_second for one in several)
        spent = median(one.microseconds for one in several)
        p99 = median(one.figures.p99 for one in several)
        ratios = f"{_ratio(several, near):>9.2f}{_ratio(several, taken['SQLite']):>11.2f}"
        failed = sum(one.figures.failed for one in several)
        told = f"  {failed} FAILED, so this line says nothing" if failed else ""
        print(f"  {name:<32}{rate:>9,.0f}{spent:>8,.0f}{p99:>8.1f}{ratios}{told}", flush=True)


def _ratio(several: list[Measured], others: list[Measured]) -> float:
    """The median of the rounds' ratios: what a machine does beside it changes from round to round."""
    pairs = zip(several, others, strict=True)
    return median(one.figures.per_second / other.figures.per_second for one, other in pairs)


def _places(stack: ExitStack) -> Iterator[Place]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    for name in ("sqlite", "beside", "far"):
        (folder / name).mkdir()
    yield Place("SQLite", *_server(stack, f"sqlite:///{folder}/sqlite/bench.sqlite3", folder / "sqlite"))
    yield Place("PostgreSQL, no proxy", *_server(stack, stack.enter_context(_database()), folder / "beside"))
    url = urlsplit(POSTGRES)
    proxy = stack.enter_context(delaying_proxy.between(url.hostname or "127.0.0.1", url.port or 5432))
    database = stack.enter_context(_database())
    server, prepared = _server(stack, _behind(database, proxy.port), folder / "far")
    for milliseconds in ROUND_TRIPS:
        yield Place(f"PostgreSQL, round trip {milliseconds:g} ms", server, prepared, proxy, milliseconds)


def _server(stack: ExitStack, url: str, folder: Path) -> tuple[Server, Prepared]:
    with mock.patch.dict(os.environ, {"DATABASE_URL": url}):
        server = stack.enter_context(servers.gatehouse(folder))
    count = SECONDS * ROUNDS * 4000 * max(1, len(ROUND_TRIPS) // 2)
    families = FAMILIES * ROUNDS * max(2, len(ROUND_TRIPS))
    return server, servers.prepare(server, folder, assertions=count, families=families)


@contextmanager
def _database() -> Iterator[str]:
    """The URL of a new database."""
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(POSTGRES, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(POSTGRES)._replace(path=f"/{name}"))
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _behind(url: str, port: int) -> str:
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{port}"))


def _processor_time(server: Server) -> float:
    """Seconds that the server and its processes have computed."""
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    pids = [str(server.process.pid), *(pid for task in tasks for pid in (task / "children").read_text().split())]
    spent = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / TICKS


if __name__ == "__main__":
    sys.exit(main())
