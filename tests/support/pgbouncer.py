"""A PgBouncer of a test's own, in transaction mode, before the PostgreSQL of DATABASE_URL."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from demo.processes import free_port
from tests.support.postgresql import ACCOUNT

# Connections to PostgreSQL. Fewer than a server has to PgBouncer, so each of these gets another one all the time.
SERVERS = 3


@contextmanager
def before(url: str) -> Iterator[str]:
    """The URL of the same database, by way of PgBouncer."""
    parts = urlsplit(url)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        here = Path(folder)
        (here / "users.txt").write_text(f'"{parts.username}" "{parts.password or ""}"\n')
        (here / "pgbouncer.ini").write_text(
            f"""
[databases]
* = host={parts.hostname} port={parts.port or 5432}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {here}/users.txt
pool_mode = transaction
default_pool_size = {SERVERS}
"""
        )
        for path in (here, *here.iterdir()):
            if os.getuid() == 0:
                shutil.chown(path, ACCOUNT)
        account = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": list[str]()} if os.getuid() == 0 else {}
        process = subprocess.Popen(
            ["pgbouncer", str(here / "pgbouncer.ini")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **account,  # type: ignore[call-overload]
        )
        try:
            _wait_for(port)
            user, at, _ = parts.netloc.rpartition("@")
            yield urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{port}"))
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int) -> None:
    ends = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)
        else:
            return
