"""The server stops when it is told to, also in the moments in which a worker could miss it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from authz.serve import STOPPING
from demo.processes import ROOT, free_port

GRACE = STOPPING + 6


@pytest.mark.parametrize("is_for_all", [False, True], ids=["SIGTERM to the server", "Ctrl-C to all of it"])
def test_it_stops(tmp_path: Path, is_for_all: bool) -> None:
    port = free_port()
    environment = os.environ | {
        "PORT": str(port),
        "GATEHOUSE_ISSUER": f"http://127.0.0.1:{port}/o",
        "GATEHOUSE_SECRET_KEY": "a secret key for this test only, and for nothing else",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
    }
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "authz.serve"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/o/jwks")
        if is_for_all:
            os.killpg(server.pid, signal.SIGINT)
        else:
            server.send_signal(signal.SIGTERM)
        assert server.wait(GRACE) == 0
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server did not start")
