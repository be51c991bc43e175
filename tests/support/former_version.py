"""The code of a former version, out of the repository's history, and servers that run it."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.processes import ROOT, Server
from tests.support import commands
from tests.support.processes import RunningGatehouse

# The version that an upgrade is tried from: more than twenty migrations ago when this was written. It has to run with
# the requirements of today, and is moved forward with each release. (The migration before it, authz 0010, takes over
# the browsers' sessions: people who were signing in at that moment had to begin again.)
COMMIT = "66a3bf3b7f93b802894df64c082d5de0a1d2e86c"
PARTS = ("manage.py", "authz", "cimd", "xaa", "templates")
_SERVE = """
import ctypes, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
try:
    from authz.serving.__main__ import main
except ImportError:
    from authz.serve import main
main()
"""


def missing() -> str:
    """Why that code cannot be had here; empty where it can."""
    try:
        done = subprocess.run(
            ["git", "cat-file", "-e", f"{COMMIT}^{{tree}}"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "git is not installed"
    return "" if done.returncode == 0 else f"this clone has no commit {COMMIT[:12]} (a shallow one?)"


def unpack(folder: Path) -> Path:
    """The code, in a folder of its own."""
    packed = subprocess.run(["git", "archive", COMMIT, *PARTS], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def manage(code: Path, env: dict[str, str], *arguments: str) -> None:
    """Its `manage.py …`. Raises `CalledProcessError`."""
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=code, env=env, capture_output=True, check=True)


@contextmanager
def running(code: Path, database_url: str, directory: Path, port: int) -> Iterator[RunningGatehouse]:
    """A server of it on that database, which has its tables."""
    issuer = f"http://127.0.0.1:{port}/o"
    env = environment(database_url, port)
    with Server(
        name="the former version",
        command=[sys.executable, "-c", _SERVE],
        ready=f"http://127.0.0.1:{port}/.well-known/oauth-authorization-server/o",
        log=directory / f"former-{port}.log",
        env=env,
        cwd=code,
    ) as server:
        yield RunningGatehouse(issuer=issuer, database_url=database_url, directory=directory, server=server)


def environment(database_url: str, port: int) -> dict[str, str]:
    env = commands.environment(
        database_url,
        GATEHOUSE_ISSUER=f"http://127.0.0.1:{port}/o",
        PORT=str(port),
        WORKERS="1",
        DJANGO_SETTINGS_MODULE="authz.settings",
    )
    # The first of its path is the folder that it is in.
    env.pop("PYTHONPATH", None)
    return env
