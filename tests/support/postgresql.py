"""A PostgreSQL cluster of a test's own, for tests that stop it or need other settings."""

import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from demo.processes import free_port

# Debian's, newest first; elsewhere what the PATH has.
_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
# PostgreSQL does not run as root.
ACCOUNT = "postgres"


@dataclass(frozen=True, slots=True)
class Cluster:
    directory: Path
    port: int

    @property
    def url(self) -> str:
        """Of its database `postgres`."""
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def processes(self) -> list[int]:
        """The postmaster, and all that it has started."""
        first = int((self.directory / "postmaster.pid").read_text().split()[0])
        started = [file.read_text() for file in Path(f"/proc/{first}/task").glob("*/children")]
        return [first, *(int(pid) for text in started for pid in text.split())]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """All its processes are stopped (SIGSTOP). The kernel still accepts connections for it."""
        held = self.processes()
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in held:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


@contextmanager
def cluster(
    *, largest_file: int = resource.RLIM_INFINITY, settings: Mapping[str, str] = {}, of: Path | None = None
) -> Iterator[Cluster]:
    """A new one, which goes with the test; `of` is the directory of one that exists and does not run. A table of
    `largest_file` bytes cannot grow, as on a disk that is full. The files of the write-ahead log are 16 MB. It need not
    survive a power cut, unless `settings` say so.
    """
    with tempfile.TemporaryDirectory(prefix="gatehouse-cluster-", ignore_cleanup_errors=True) as directory:
        data, port = of or Path(directory), free_port()
        if os.getuid() == 0:
            shutil.chown(directory, ACCOUNT)
        if of is None:
            initdb = ["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", f"--pgdata={data}"]
            run("initdb", *initdb)
        made = Cluster(data, port)
        server = _start(
            *(
                "postgres",
                "-D",
                str(data),
                "-p",
                str(port),
                "-h",
                "127.0.0.1",
                "-k",
                directory,
                "-F",
                "-c",
                "autovacuum=off",
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ),
            largest_file=largest_file,
        )
        try:
            _wait_for(made, server)
            yield made
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(timeout=30)


def _wait_for(made: Cluster, server: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(made.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > ends:
                raise
            time.sleep(0.1)
        else:
            return


def run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's programs, as its account. Raises `CalledProcessError`."""
    process = _start(program, *arguments)
    if process.wait(timeout=120):
        raise subprocess.CalledProcessError(process.returncode, program)


def _start(program: str, *arguments: str, largest_file: int = resource.RLIM_INFINITY) -> subprocess.Popen[bytes]:
    as_account: dict[str, Any] = {}
    if largest_file != resource.RLIM_INFINITY:
        as_account["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    if os.getuid() == 0:
        as_account |= {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []}
    binary = str(_BINARIES[0] / program) if _BINARIES else program
    return subprocess.Popen(
        [binary, *arguments], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_account
    )
