"""An export of a running server ends when its reader goes away: the server's own processor time says so."""

import time
from collections.abc import Callable
from pathlib import Path

import requests

from tests.support import databases, processes, world
from tests.support.cut_off_under_load import _signed_in
from tests.support.processes import RunningGatehouse

EVENTS = 20_000
MAKE = f"""
from datetime import UTC, datetime
from authz.models import AuditEvent
event = dict(event="token:access:issued", client_id="a", time=datetime.now(UTC), detail={{"x": "y" * 300}})
AuditEvent.objects.bulk_create([AuditEvent(**event) for _ in range({EVENTS})], batch_size=1000)
"""


def seconds(group: int) -> float:
    """Of processor time that a process group has taken."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12]) if int(fields[2]) == group else 0
    return total / 100


def cost(server: RunningGatehouse, export: Callable[[], None]) -> float:
    """Seconds of processor time that an export takes, until the server is at rest."""
    assert server.server.process is not None
    group = server.server.process.pid
    before = last = seconds(group)
    export()
    for _ in range(40):
        time.sleep(1.0)
        now = seconds(group)
        if now - last < 0.1:
            break
        last = now
    return seconds(group) - before


def test_an_export_ends_with_its_reader(tmp_path: Path) -> None:
    with (
        databases.database(tmp_path, world.configuration()) as url,
        processes.running(url, tmp_path, workers=1) as server,
    ):
        server.manage("shell", "-c", MAKE)
        alice = _signed_in(server, "alice")

        def read(whole: bool) -> None:
            address = f"{server.origin}/console/authz/auditevent/export.jsonl"
            with requests.get(address, cookies=alice.cookies, stream=True, timeout=120) as answer:
                assert answer.status_code == 200
                lines = sum(1 for _ in answer.iter_lines()) if whole else len(next(answer.iter_lines()))
                assert lines >= min(EVENTS, 100)

        whole = cost(server, lambda: read(whole=True))
        left = cost(server, lambda: read(whole=False))

        assert left < whole / 2, (left, whole)
        assert server.recorded("audit:events:exported") == 2
