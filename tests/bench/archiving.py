"""Archiving and removing old events while tokens are issued: how long tokens take, and which locks are held."""

import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field

import psycopg

from tests.bench import servers
from tests.bench.round_trips import LINES, Place

_LOCKS = """
SELECT mode, granted FROM pg_locks
WHERE locktype = 'relation' AND relation = 'authz_auditevent'::regclass AND pid <> pg_backend_pid()
"""
_ARCHIVE = """
import time
from datetime import UTC, datetime, timedelta
import django
django.setup()
from authz.evidence import archiver
from authz.models import AuditEvent
began = time.monotonic()
made = archiver.archive(datetime.now(UTC) + timedelta(days=2))
archived = time.monotonic()
left = AuditEvent.objects.filter(id__lte=made.last_id)
while left.exists():
    archiver.remove_archived()
removed = time.monotonic()
print(f"{made.size - made.start:,} events: archived in {archived - began:.1f} s, removed in {removed - archived:.1f} s")
"""


@dataclass
class Locks:
    """Of the audit's table, as sampled: the modes that were held, and how many samples had one that waited."""

    modes: set[str] = field(default_factory=set)
    waited: int = 0
    samples: int = 0

    def __str__(self) -> str:
        if not self.samples:
            return "SQLite has one lock"
        return f"{self.samples} samples of pg_locks: held {', '.join(sorted(self.modes))}; {self.waited} waited"


def under_load(place: Place, url: str) -> str:
    """What to print."""
    before = LINES["client_credentials"](place.server, place.prepared)
    with tempfile.TemporaryDirectory() as folder:
        environment = place.server.environment | {"GATEHOUSE_AUDIT_DIRECTORY": folder}
        command = [sys.executable, "-c", _ARCHIVE]
        process = subprocess.Popen(
            command, cwd=servers.ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        locks, over = Locks(), threading.Event()
        sampler = threading.Thread(target=_sample, args=(url, locks, over))
        sampler.start()
        meanwhile = []
        while process.poll() is None:
            meanwhile.append(LINES["client_credentials"](place.server, place.prepared))
        over.set()
        sampler.join()
        said, errors = process.communicate()
    if process.returncode:
        return f"{place.name}: nothing was archived: {errors.splitlines()[-1] if errors else ''}"
    p50, p99 = max(one.p50 for one in meanwhile), max(one.p99 for one in meanwhile)
    return (
        f"{place.name}: {said.strip()}; tokens meanwhile: p50 {p50:.1f} ms, p99 {p99:.1f} ms at the worst, before it"
        f" {before.p50:.1f} and {before.p99:.1f} ms; {locks}"
    )


def _sample(url: str, locks: Locks, over: threading.Event) -> None:
    if not url.startswith("postgres"):
        return
    with psycopg.connect(url, autocommit=True) as connection:
        while not over.wait(0.01):
            found = connection.execute(_LOCKS).fetchall()
            locks.samples += 1
            locks.modes |= {mode for mode, granted in found if granted}
            locks.waited += any(not granted for _, granted in found)
