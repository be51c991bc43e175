"""Start a program on this machine, wait until it answers, and take it down with everything it started."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import requests

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which no process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without what should not leak into servers and clients.

    That is make's flags, our own settings, proxies, and a real person's desktop (clients open browsers).
    """
    ours = ("GATEHOUSE_", "MAKE", "MFLAGS", "DJANGO_", "PYTEST_")
    named = {"DATABASE_URL", "CACHE_URL", "PORT", "VIRTUAL_ENV", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER"}
    named |= {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours) and name not in named}
    return kept | {"PYTHONUNBUFFERED": "1"} | changes


@dataclass(slots=True)
class Server:
    """A program that serves HTTP. `ready` is an address that answers (with any status below 500) once it is up."""

    name: str
    command: Sequence[str]
    ready: str
    log: Path
    env: Mapping[str, str]
    patience: float = 240
    cwd: Path = ROOT
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            # A session of its own, so that one signal reaches what it starts too (make, its workers).
            self.process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_it_answers(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.last_words()}")
            try:
                with requests.Session() as session:
                    session.trust_env = False
                    if session.get(self.ready, timeout=30).status_code < 500:
                        return
            except (requests.ConnectionError, requests.Timeout):
                pass
            time.sleep(0.1)
        raise TimeoutError(f"{self.name} does not answer at {self.ready}:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of its log, for finding the cause."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])

    def stop(self) -> None:
        if self.process is None:
            return
        for farewell in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, farewell)
            except ProcessLookupError:
                break
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                continue
        self.process.wait(timeout=10)
        self.process = None
