"""We beside others, in one interleaved run: `python -m tests.bench.peers`.

The peers are npm's oidc-provider, which keeps everything in memory, django-oauth-toolkit on SQLite with a fast hasher,
and a bare WSGI application. Each line is measured at each server in turn, BENCH_ROUNDS times (the median counts) for
BENCH_SECONDS each, by BENCH_CONNECTIONS at once. A cell is requests a second, processor time a request in µs, and p99
in ms. One with requests that failed says so, and the run fails where they were ours.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authz.client_auth.private_key_jwt import ASSERTION_TYPE
from authz.protocol import jwks, jwts
from tests.bench import delaying_proxy, load, round_trips, servers
from tests.bench.load import Figures
from tests.bench.round_trips import BASIC, LINES, POSTGRES, ROUNDS, SECONDS, TICKS, Place, refreshed

OIDC_PROVIDER = Path(__file__).parent / "oidc_provider"
MACHINE = f"grant_type=client_credentials&resource={servers.ES256}"
# Milliseconds between us and PostgreSQL, in the line with a round trip.
ROUND_TRIP = 1.0
REFERENCE = "oidc-provider, 2 processes"
Measure = Callable[[], Figures]


@dataclass(frozen=True, slots=True)
class Cell:
    per_second: float
    microseconds: float
    p99: float
    failed: int

    def __str__(self) -> str:
        told = f" **{self.failed} FAILED**" if self.failed else ""
        return f"{self.per_second:,.0f} ({self.microseconds:,.0f}; {self.p99:.0f}){told}"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server: its process, and how each line that it has is measured."""

    name: str
    process: int
    lines: dict[str, Measure]

    def measure(self, line: str) -> Cell | None:
        if line not in self.lines:
            return None
        before = processor_time(self.process)
        figures = self.lines[line]()
        spent = processor_time(self.process) - before
        return Cell(figures.per_second, spent / (figures.per_second * SECONDS) * 1e6, figures.p99, figures.failed)


def main() -> int:
    wanted = [name for name in os.environ.get("BENCH_LINES", ",".join(LINES)).split(",") if name]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        contenders = list(_contenders(stack, folder))
        taken: dict[tuple[str, str], list[Cell]] = {}
        for line in wanted:
            for _ in range(ROUNDS):
                for contender in contenders:
                    if (cell := contender.measure(line)) is not None:
                        print(f"{line}: {contender.name}: {cell}", file=sys.stderr, flush=True)
                        taken.setdefault((contender.name, line), []).append(cell)
    _show(
        [contender.name for contender in contenders], wanted, {place: _middle(cells) for place, cells in taken.items()}
    )
    return int(any(cell.failed for (name, _), cells in taken.items() if name.startswith("ours") for cell in cells))


def processor_time(parent: int) -> float:
    """Seconds that a process and its children have computed."""
    tasks = Path(f"/proc/{parent}/task").iterdir()
    pids = [str(parent), *(pid for task in tasks for pid in (task / "children").read_text().split())]
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(times[11]) + int(times[12]) for times in fields) / TICKS


def _middle(cells: list[Cell]) -> Cell:
    middle = (median(getattr(cell, name) for cell in cells) for name in ("per_second", "microseconds", "p99"))
    return Cell(*middle, sum(cell.failed for cell in cells))


def _show(names: list[str], lines: list[str], cells: dict[tuple[str, str], Cell]) -> None:
    print(f"{SECONDS} s, {ROUNDS} rounds, wrk -c{load.CONNECTIONS}: a second (CPU µs; p99 ms)\n")
    print(f"| | {' | '.join(lines)} |\n|---|{'---|' * len(lines)}")
    for name in names:
        print(f"| {name} | {' | '.join(str(cells.get((name, line), '–')) for line in lines)} |")
    print(f"\n| × {REFERENCE} | {' | '.join(lines)} |\n|---|{'---|' * len(lines)}")
    for name in names:
        ratios = [_ratio(cells.get((name, line)), _reference(cells, line)) for line in lines]
        print(f"| {name} | {' | '.join(ratios)} |")


def _reference(cells: dict[tuple[str, str], Cell], line: str) -> Cell | None:
    # What two of its processes cannot share in memory, one of them does.
    return cells.get((REFERENCE, line)) or cells.get(("oidc-provider, 1 process", line))


def _ratio(cell: Cell | None, reference: Cell | None) -> str:
    return f"{cell.per_second / reference.per_second:.2f}" if cell and reference else "–"


# --- Those who are measured -----------------------------------------------------------------------------------------


def _contenders(stack: ExitStack, folder: Path) -> Iterator[Contender]:
    yield from _ours(stack, folder)
    for processes in (2, 1):
        yield _oidc_provider(stack, folder / f"peer{processes}", processes)
    yield _toolkit(stack, folder)
    yield _ceiling(stack, folder)


def _ours(stack: ExitStack, folder: Path) -> Iterator[Contender]:
    for name in ("sqlite", "postgresql"):
        (folder / name).mkdir()
    server, prepared = round_trips._server(stack, f"sqlite:///{folder}/sqlite/bench.sqlite3", folder / "sqlite")
    yield _our(Place("ours, SQLite, synchronous=FULL", server, prepared))
    url = round_trips.urlsplit(POSTGRES)
    proxy = stack.enter_context(delaying_proxy.between(url.hostname or "127.0.0.1", url.port or 5432))
    database = stack.enter_context(round_trips._database())
    server, prepared = round_trips._server(stack, round_trips._behind(database, proxy.port), folder / "postgresql")
    yield _our(Place("ours, PostgreSQL on the same host", server, prepared, proxy, 0.0))
    yield _our(Place(f"ours, PostgreSQL behind {ROUND_TRIP:g} ms", server, prepared, proxy, ROUND_TRIP))


def _our(place: Place) -> Contender:
    def measured(line: str) -> Measure:
        return lambda: place.measure(line).figures

    return Contender(place.name, place.server.process.pid, {line: measured(line) for line in LINES})


def _oidc_provider(stack: ExitStack, folder: Path, processes: int) -> Contender:
    if not (OIDC_PROVIDER / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=OIDC_PROVIDER, check=True, capture_output=True)
    folder.mkdir()
    port = servers.free_port()
    origin = f"http://127.0.0.1:{port}"
    assertions = folder / "assertions.txt"
    _write_assertions(folder, assertions, origin)
    command = ("node", str(OIDC_PROVIDER / "server.mjs"), str(folder), str(port), str(processes))
    process = stack.enter_context(servers.running(port, *command))

    def signed() -> Figures:
        figures = load.run(f"{origin}/token", load.post_each(assertions), seconds=SECONDS)
        rest = assertions.read_text().splitlines(keepends=True)[int(figures.per_second * SECONDS * 1.2) + 100 :]
        assertions.write_text("".join(rest))
        return figures

    lines: dict[str, Measure] = {
        "client_credentials": lambda: load.run(f"{origin}/token", load.post(MACHINE, basic=BASIC), seconds=SECONDS),
        "private_key_jwt": signed,
        "metadata": lambda: load.run(f"{origin}/.well-known/openid-configuration", "", seconds=SECONDS),
    }
    if processes == 1:
        tokens = folder / "peer-refresh-tokens.txt"
        lines["refresh"] = lambda: refreshed(f"{origin}/token", tokens)
    return Contender(f"oidc-provider, {processes} process{'es' * (processes > 1)}", process, lines)


def _write_assertions(folder: Path, path: Path, issuer: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = jwks.public_jwk(key.public_key(), kid="bench", alg="ES256")
    (folder / "client-jwks.json").write_text(json.dumps({"keys": [public]}))
    signer, now = jwts.signer(key, kid="bench", alg="ES256", typ="JWT"), int(time.time())
    claims = {"iss": "signing-agent", "sub": "signing-agent", "aud": issuer, "iat": now, "exp": now + 3000}
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "resource": servers.ES256}
    with path.open("w") as file:
        for _ in range(SECONDS * (ROUNDS + 1) * 6000):
            assertion = signer.sign(claims | {"jti": secrets.token_hex(8)})
            file.write(urlencode(form | {"client_assertion": assertion}) + "\n")


def _toolkit(stack: ExitStack, folder: Path) -> Contender:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.bench.toolkit.settings",
        "PEER_FOLDER": str(folder),
        "PEER_KEY": key.decode(),
    }
    command = [sys.executable, "-m", "tests.bench.toolkit.prepare", "2000"]
    subprocess.run(command, cwd=servers.ROOT, env=os.environ | settings, check=True)
    port = servers.free_port()
    application = servers.granian(port, "tests.bench.toolkit.wsgi:application")
    process, at = stack.enter_context(servers.running(port, *application, **settings)), f"http://127.0.0.1:{port}/o"
    tokens = folder / "toolkit-refresh-tokens.txt"
    grant = load.post("grant_type=client_credentials", basic=BASIC)
    lines: dict[str, Measure] = {
        "client_credentials": lambda: load.run(f"{at}/token/", grant, seconds=SECONDS),
        "refresh": lambda: refreshed(f"{at}/token/", tokens),
        "introspection": lambda: load.run(
            f"{at}/introspect/", load.post("token=access-1999", basic=BASIC), seconds=SECONDS
        ),
        "metadata": lambda: load.run(f"{at}/.well-known/openid-configuration", "", seconds=SECONDS),
    }
    return Contender("django-oauth-toolkit, MD5 as its hasher", process, lines)


def _ceiling(stack: ExitStack, folder: Path) -> Contender:
    port = servers.free_port()
    application = servers.granian(port, "tests.bench.ceiling:application")
    database = {"CEILING_DATABASE": f"{folder}/ceiling.sqlite3"}
    process, at = stack.enter_context(servers.running(port, *application, **database)), f"http://127.0.0.1:{port}"
    machine = load.post("grant_type=client_credentials", basic=BASIC)
    return Contender(
        "bare WSGI, one durable row",
        process,
        {"client_credentials": lambda: load.run(f"{at}/row", machine, seconds=SECONDS)},
    )


if __name__ == "__main__":
    sys.exit(main())
