"""The console's pages with a large organisation's data: `python -m tests.bench.pages` (part of `make bench`).

1,000,000 audit events, 10,000 agents, 1,000 rules; every page that the URL conf knows (tests/support/pages.py), on
SQLite, and on PostgreSQL where one answers on 127.0.0.1:5432. `BENCH_EVENTS` measures with another number of events.
The limit is on the median; the first request of a page, with empty caches, is shown beside it.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psycopg

ROOT = Path(__file__).resolve().parents[2]
EVENTS = os.environ.get("BENCH_EVENTS", "1000000")
POSTGRESQL = os.environ.get("BENCH_POSTGRESQL", "postgres://postgres@127.0.0.1:5432")
ALLOWED = 300.0  # milliseconds, at the median
LOOKS = 5
MOST_QUERIES = 34


def main() -> int:
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        missed += on("SQLite", f"sqlite:///{folder}/pages.sqlite3")
    try:
        server = psycopg.connect(f"{POSTGRESQL}/postgres", autocommit=True)
    except psycopg.OperationalError:
        print("\nno PostgreSQL answers, so the pages are measured on SQLite alone")
    else:
        with server:
            server.execute("DROP DATABASE IF EXISTS gatehouse_bench_pages")
            server.execute("CREATE DATABASE gatehouse_bench_pages")
            missed += on("PostgreSQL", f"{POSTGRESQL}/gatehouse_bench_pages")
            server.execute("DROP DATABASE gatehouse_bench_pages WITH (FORCE)")
    for line in missed:
        print(f"MISSED {line}")
    return 1 if missed else 0


def on(name: str, url: str, *, fill: bool = True) -> list[str]:
    """Fill a database, measure its pages in a process of their own, print them; what was missed."""
    environment = os.environ | {
        "DATABASE_URL": url,
        "GATEHOUSE_SECRET_KEY": "bench-only-secret-key-0123456789-0123456789-0123456789",
        "DJANGO_SETTINGS_MODULE": "authz.settings",
    }
    if fill:
        load = ["generate_load_data", "--really", "--events", EVENTS]
        for arguments in (["migrate", "--verbosity", "0"], ["keys", "ensure"], load):
            subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, check=True)
    command = [sys.executable, "-m", "tests.bench.pages", "measure"]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    rows = json.loads(done.stdout.splitlines()[-1])
    missed = []
    print(f"\n{name + ': pages at ' + EVENTS + ' events':68} {'first ms':>9} {'median ms':>9} {'queries':>7}")
    for path, first, middle, queries in sorted(rows, key=lambda row: -row[2]):
        print(f"{path[:68]:68} {first:9.0f} {middle:9.0f} {queries:7}")
        if middle > ALLOWED:
            missed.append(f"{name} {path}: {middle:.0f} ms, {ALLOWED:.0f} allowed")
        if queries > MOST_QUERIES:
            missed.append(f"{name} {path}: {queries} queries, {MOST_QUERIES} allowed")
    return missed


def measure() -> None:
    """In the process of a database: each page as an administrator sees it."""
    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    from django.core.cache import cache
    from django.db import connection, reset_queries
    from django.test import Client as Browser
    from django.test.utils import CaptureQueriesContext

    from authz.audit import counts
    from authz.conf import conf
    from authz.models import AuditEvent, EventCountMark, User
    from tests.support import everything, pages

    alice, is_new = User.objects.get_or_create(username="alice", role="administrator", is_active=True)
    if is_new:
        everything.fill("Another's")
    # As on a server whose periodic tasks run.
    newest = AuditEvent.objects.latest("id")
    while EventCountMark.objects.filter(pk=1, counted_to__gte=newest.pk - 5_000).first() is None:
        counts.run()
    if connection.vendor == "postgresql":
        # A server that has run for a while knows its tables: autovacuum has looked at them.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    browser = Browser(headers={"host": conf.origin.partition("//")[2]})
    browser.force_login(alice, backend="authz.sign_in.password_backend.PasswordBackend")
    rows = []
    for paths in pages.pages(everything.first).values():
        for path in paths:
            looks = []
            for _ in range(LOOKS):
                began = time.perf_counter()
                browser.get(path)
                looks.append((time.perf_counter() - began) * 1000)
                reset_queries()
            cache.clear()
            with CaptureQueriesContext(connection) as captured:
                browser.get(path)
            rows.append((path, looks[0], median(looks), len(captured)))
    print(json.dumps(rows))


if __name__ == "__main__":
    sys.exit(measure() if sys.argv[1:] == ["measure"] else main())
