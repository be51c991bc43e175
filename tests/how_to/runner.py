"""Carries out a how-to, block by block, in a folder of its own and against a Gatehouse of its own.

The addresses of a page are those of an organisation. Here they are loopback's: `Stage.real` says which is which. `pip`
and `npm` install nothing: they say whether the locked environments have what the page asks for.
"""

import json
import os
import shlex
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from demo import environments
from demo.gatehouse import Gatehouse
from demo.processes import ROOT, environment, free_port
from tests.how_to import operating
from tests.how_to.others import Others
from tests.how_to.page import Block, Kind, is_shown
from tests.support import databases

PATIENCE = 120  # seconds
SERVER = "https://notes.example.com/mcp"

PEOPLE = """
users:
  - {username: alice, password: alice-password, email: alice@example.com, groups: [engineering], role: administrator}
  - {username: bob, password: bob-password, email: bob@example.com, groups: [engineering]}
"""
_PIP = """
import sys
from importlib.metadata import version
from packaging.requirements import Requirement
for text in sys.argv[1:]:
    if text != "install" and not text.startswith("-"):
        wanted = Requirement(text)
        assert version(wanted.name) in wanted.specifier, f"{text}: the tests have {version(wanted.name)}"
"""
_NPM = """
import json, pathlib, sys
for text in sys.argv[1:]:
    if text not in {"install", "i"} and not text.startswith("-"):
        name, at, wanted = text.rpartition("@") if text.rfind("@") > 0 else (text, "", "")
        found = json.loads(pathlib.Path("node_modules", name, "package.json").read_text())["version"]
        assert not wanted or found == wanted or found.startswith(wanted + "."), f"{text}: the tests have {found}"
"""


class NotAsWrittenError(AssertionError):
    """A page says something that isn't so."""


@dataclass(slots=True)
class Stage:
    """Where a page is carried out: a folder, a running server, and the programs that a reader has."""

    folder: Path
    gatehouse: Gatehouse
    others: Others
    real: Mapping[str, str]
    stack: ExitStack
    printed: str = ""

    def do(self, block: Block) -> None:
        text = self._here(block.text)
        if block.kind is Kind.FILE:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif block.kind is Kind.SHOWN:
            if not is_shown(text, self.printed):
                raise NotAsWrittenError(f"the page shows\n{text}\nand what was printed is\n{self.printed}")
        elif block.kind is Kind.APP:
            self._connect(text, self._here(block.redirect_uri))
        elif block.serves:
            self._keep_running(text, self._here(block.serves))
        elif block.kind is Kind.COMMAND:
            self._run(text, is_refused=block.is_refused)

    def _here(self, text: str) -> str:
        for name, address in self.real.items():
            text = text.replace(name, address)
        return text

    def _run(self, text: str, *, is_refused: bool) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.printed = done.stdout + done.stderr
        if (done.returncode != 0) is not is_refused:
            raise NotAsWrittenError(f"it ended with {done.returncode}:\n{text}\n{self.printed}\n{self._log()}")

    def _connect(self, document: str, redirect_uri: str) -> None:
        """A person uses an app whose `client_id` is that document's URL."""
        program = [str(environments.python("mcp2")), "-m", "tests.how_to.app"]
        self._run(shlex.join([*program, self._here(SERVER), document, redirect_uri]), is_refused=False)

    def _keep_running(self, text: str, address: str) -> None:
        with (self.folder / "running.log").open("ab") as log:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", f"exec {text}"],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.stack.callback(_end, process)
        ends = time.monotonic() + PATIENCE
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > ends:
                raise NotAsWrittenError(f"nothing answers at {address}:\n{text}\n{self._log()}")
            time.sleep(0.1)

    def _log(self) -> str:
        log = self.folder / "running.log"
        return (log.read_text(errors="replace")[-4000:] if log.exists() else "") + self.gatehouse.last_words()

    def _environment(self) -> dict[str, str]:
        here = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "HOME": str(self.folder), "PYTHONPATH": str(ROOT)}
        return environment(**here, **self.others.environment(self.gatehouse.issuer))


def _answers(address: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(address, timeout=5).status_code < 500
        except requests.RequestException:
            return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """With alice, an administrator, and bob; both are engineers."""
    port, elsewhere = free_port(), folder / "server"
    elsewhere.mkdir()
    databases.prepare(elsewhere / "gatehouse.sqlite3")
    with ExitStack() as stack:
        others = stack.enter_context(Others(elsewhere))
        reached = {**others.settings, "GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": f"127.0.0.1:{port},{others.host}"}
        gatehouse = stack.enter_context(Gatehouse(elsewhere, settings=reached))
        gatehouse.apply(PEOPLE)
        page = folder / "page"
        real = {
            "https://auth.example.com": gatehouse.origin,
            "https://notes.example.com": f"http://127.0.0.1:{port}",
            "9300": str(port),
            "/var/run/secrets": str(page / "secrets"),
            **others.real,
        }
        _programs(page / "bin", gatehouse, others)
        operating.write(page, real)
        (page / "node_modules").symlink_to(environments.node().parents[2])
        others.write_secrets(page / "secrets", gatehouse.issuer)
        yield Stage(page, gatehouse, others, real, stack)


def _programs(folder: Path, gatehouse: Gatehouse, others: Others) -> None:
    """What a reader has on the PATH."""
    folder.mkdir(parents=True)
    python, exports = environments.python("mcp2"), _exports(gatehouse.env)
    write: Callable[[str, str], None] = lambda name, text: _program(folder / name, text)  # noqa: E731
    write("python", f'exec "{python}" "$@"')
    write("python3", f'exec "{python}" "$@"')
    write("node", f'exec "{environments.node()}" "$@"')
    write("pip", f'exec "{python}" - "$@" <<\'EOF\'{_PIP}EOF')
    write("npm", f'exec "{sys.executable}" - "$@" <<\'EOF\'{_NPM}EOF')
    svid = json.dumps([{"svids": [{"svid": others.svid(gatehouse.issuer)}]}])
    write("spire-agent", f"printf '%s' '{svid}'")
    manage = f'"{ROOT}/.venv/bin/python" "{ROOT}/manage.py"'
    # Files are named as the reader sees them.
    write("gatehouse", f'{exports}PYTHONPATH="{ROOT}" exec {manage} "$@"')


def _exports(env: Mapping[str, str]) -> str:
    ours = {name: value for name, value in env.items() if name.startswith(("GATEHOUSE_", "DATABASE_"))}
    return "".join(f"export {name}='{value}'\n" for name, value in ours.items())


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
