"""What the age of a database does: `python -m tests.bench.growth`.

A server on an empty database and servers on databases with a month of events (`BENCH_SIZES`), measured in turn: tokens,
refreshes, introspection, the searches of the audit explorer, and archiving while tokens are issued. `BENCH_GROWTH` is a
folder in which databases are kept, so that they are filled once. On PostgreSQL in a cluster of its own: fsync and
autovacuum are on. Scheduled tasks that would work on all events at once are left out (tests/bench/growth_settings.py).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from unittest import mock

import psycopg

from tests.bench import archiving, servers
from tests.bench.round_trips import Measured, Place
from tests.support import postgresql

SIZES = [int(text) for text in os.environ.get("BENCH_SIZES", "0,1000000,10000000").split(",")]
ON = os.environ.get("BENCH_ON", "PostgreSQL,SQLite").split(",")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
# Without any, only the searches and archiving are measured.
LINES = tuple(
    name for name in os.environ.get("BENCH_LINES", "client_credentials,refresh,introspection").split(",") if name
)
SETTINGS = {"fsync": "on", "autovacuum": "on", "shared_buffers": "512MB", "max_wal_size": "4GB"}
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "tests.bench.growth_settings",
    "GATEHOUSE_SECRET_KEY": "bench-only-secret-key-0123456789-0123456789-0123456789",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(os.environ.get("BENCH_GROWTH", folder))
        if "PostgreSQL" in ON:
            with _cluster(kept) as url:
                _measure("PostgreSQL", [_database(url, size) for size in SIZES], Path(folder))
        if "SQLite" in ON:
            _measure("SQLite", [_file(kept, size) for size in SIZES], Path(folder))


def _measure(kind: str, urls: Sequence[str], folder: Path) -> None:
    with ExitStack() as stack:
        places = []
        for size, url in zip(SIZES, urls, strict=True):
            (folder / f"{kind}-{size}").mkdir()
            with mock.patch.dict(os.environ, {"DATABASE_URL": url, **ENVIRONMENT}):
                server = stack.enter_context(servers.gatehouse(folder / f"{kind}-{size}"))
            prepared = servers.prepare(server, folder / f"{kind}-{size}", assertions=1, families=2000)
            places.append(Place(f"{kind}, {size:,} events", server, prepared))
        for line in LINES:
            taken: dict[str, list[Measured]] = {place.name: [] for place in places}
            for _ in range(ROUNDS):
                for place in places:
                    taken[place.name].append(place.measure(line))
            _show(line, taken)
        found = [_searches(place.server.environment) for place in places]
        print(f"\n{'search: ms of the process, blocks':<36}" + "".join(f"{size:>18,}" for size in SIZES))
        for name in found[0]:
            cells = [f"{of[name][0]:.0f} ms {of[name][1]:,}" for of in found]
            print(f"  {name:<34}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
        for place, url in zip(places, urls, strict=True):
            print(archiving.under_load(place, url), flush=True)


def _show(line: str, taken: dict[str, list[Measured]]) -> None:
    print(f"\n{line:<34}{'a second':>9}{'CPU µs':>8}{'p50 ms':>8}{'p99 ms':>8}{'CPU to empty':>14}{'p50':>6}{'p99':>6}")
    first = next(iter(taken.values()))
    for name, several in taken.items():
        cells = [median(one.figures.per_second for one in several), median(one.microseconds for one in several)]
        times = [median(getattr(one.figures, which) for one in several) for which in ("p50", "p99")]
        pairs = list(zip(several, first, strict=True))
        ratios = [
            median(one.microseconds / of.microseconds for one, of in pairs),
            median(one.figures.p50 / of.figures.p50 for one, of in pairs),
            median(one.figures.p99 / of.figures.p99 for one, of in pairs),
        ]
        print(
            f"  {name:<32}{cells[0]:>9,.0f}{cells[1]:>8,.0f}{times[0]:>8.1f}{times[1]:>8.1f}"
            f"{ratios[0]:>14.2f}{ratios[1]:>6.2f}{ratios[2]:>6.2f}",
            flush=True,
        )


def _searches(environment: dict[str, str]) -> dict[str, tuple[float, int]]:
    command = [sys.executable, "-m", "tests.bench.growth_searches"]
    done = subprocess.run(command, cwd=servers.ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    found: dict[str, tuple[float, int]] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def _cluster(kept: Path) -> Iterator[str]:
    """The URL of its database `postgres`."""
    data = kept / "postgresql"
    if not data.exists():
        data.mkdir()
        if os.getuid() == 0:
            shutil.chown(data, postgresql.ACCOUNT)
        postgresql.run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", f"--pgdata={data}")
    with postgresql.cluster(of=data, settings=SETTINGS) as cluster:
        yield cluster.url


def _database(cluster: str, size: int) -> str:
    """The URL of the database with so many events."""
    url = f"{cluster.rpartition('/')[0]}/growth_{size}"
    with psycopg.connect(cluster, autocommit=True) as admin:
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [f"growth_{size}"]).fetchone():
            admin.execute(f"CREATE DATABASE growth_{size}")  # type: ignore[call-overload]  # a number
            _fill(url, size)
    return url


def _file(kept: Path, size: int) -> str:
    file = kept / f"growth_{size}.sqlite3"
    if not file.exists():
        _fill(f"sqlite:///{file}", size)
    return f"sqlite:///{file}"


def _fill(url: str, size: int) -> None:
    command = [sys.executable, "-m", "tests.bench.growth_fill", str(size)]
    subprocess.run(command, cwd=servers.ROOT, env=os.environ | ENVIRONMENT | {"DATABASE_URL": url}, check=True)


if __name__ == "__main__":
    main()
