"""`python -m tests.bench.audit`: what sealing and verifying a million events takes, on one core."""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.core.management import call_command
from django.db import connection, transaction

EVENTS = int(os.environ.get("BENCH_EVENTS", "1000000"))
LONGEST = 60.0


def main() -> int:
    if "--here" not in sys.argv:
        # In a database of its own, that goes with the folder.
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'audit.sqlite3'}"
            env = {**os.environ, "DATABASE_URL": os.environ.get("BENCH_DATABASE_URL", url)}
            return subprocess.run(
                [sys.executable, "-m", "tests.bench.audit", "--here"], env=env, check=False
            ).returncode
    from authz.evidence import checkpoint_keys, sealer
    from authz.evidence.horizon import horizon
    from authz.evidence.verify import verify

    call_command("migrate", verbosity=0)
    fill(EVENTS)
    sealing, _ = cpu(lambda: seal_all(sealer.seal, horizon() or 0, sealer.SEGMENT))
    verifying, report = cpu(lambda: verify(checkpoint_keys.verifiers()))
    print(f"\n{EVENTS:,} audit events on {connection.vendor}, seconds of one core:")
    print(f"sealing    {sealing:6.1f}")
    print(f"verifying  {verifying:6.1f}  ({LONGEST:.0f} allowed for a million; `manage.py audit verify`)")
    missed = []
    if report.findings or report.events < EVENTS:
        missed.append(f"verify: {report.events} events, {len(report.findings)} findings")
    if verifying > LONGEST * EVENTS / 1_000_000:
        missed.append(f"verify: {verifying:.1f} s")
    for miss in missed:
        print(f"MISSED  {miss}")
    return 1 if missed else 0


def seal_all(seal, highest: int, full: int) -> None:
    while seal(highest) == full:
        pass


def cpu(work):
    """(seconds of this process's own computing, or of the clock where it waits for a database server; the result)"""
    began, computed = time.perf_counter(), time.process_time()
    result = work()
    if connection.vendor == "sqlite":
        return time.process_time() - computed, result
    return time.perf_counter() - began, result


def fill(count: int) -> None:
    """Events as they are written when tokens are issued."""
    sql = (
        'INSERT INTO authz_auditevent (time, event, reason, client_id, subject, resource, "authorization", address,'
        " request_id, detail) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    )
    start = datetime.now(UTC) - timedelta(days=1)
    adapt = connection.ops.adapt_datetimefield_value
    for first in range(0, count, 50_000):
        rows = [
            (
                adapt(start + timedelta(milliseconds=number)),
                "token:access:issued",
                "",
                f"agent-{number % 500}",
                f"5b4c5a0e-0000-4000-8000-{number % 2000:012d}",
                "https://notes.example.com/mcp",
                f"0d7c3c1e-0000-4000-8000-{number % 9000:012d}",
                "203.0.113.7",
                f"{number:032x}",
                json.dumps(
                    {
                        "grant_type": "client_credentials",
                        "auth_method": "client_secret_basic",
                        "scope": "mcp:read",
                        "lifetime": 300,
                        "rules": ["Agents read notes"],
                        "jti": f"{number:022x}",
                    },
                    separators=(",", ":"),
                ),
            )
            for number in range(first, min(first + 50_000, count))
        ]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(sql, rows)


if __name__ == "__main__":
    sys.exit(main())
