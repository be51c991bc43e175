"""Carries out a how-to, block by block, in a folder and with a running server (tests/how_to/stages.py).

The addresses of a page are those of an organisation. Here they are loopback's: `Stage.real` says which is which.
"""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import requests

from demo import environments
from demo.gatehouse import Gatehouse
from demo.processes import ROOT, environment
from tests.how_to import operating
from tests.how_to.files import here
from tests.how_to.others import Others
from tests.how_to.page import Block, Kind, is_shown
from tests.how_to.signing_in import id_token, sign_in

PATIENCE = 120  # seconds
SERVER = "https://notes.example.com/mcp"


class NotAsWrittenError(AssertionError):
    """A page says something that isn't so."""


@dataclass(slots=True)
class Stage:
    """Where a page is carried out: a folder, a running server, and the programs that a reader has."""

    folder: Path
    gatehouse: Gatehouse
    others: Others
    real: Mapping[str, str]
    stack: ExitStack  # what ends with the page
    printed: str = ""

    def do(self, block: Block) -> None:
        text = self._here(block.text)
        if block.kind is Kind.FILE:
            # A file of /etc is one of the page's folder.
            path = self.folder / block.file.removeprefix("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif block.kind is Kind.SHOWN:
            if not is_shown(text, self.printed):
                raise NotAsWrittenError(f"the page shows\n{text}\nand what was printed is\n{self.printed}")
        elif block.kind is Kind.APP:
            self._connect(text, self._here(block.redirect_uri))
        elif block.kind is Kind.REGISTERED:
            self._register(block.text)
        elif block.kind is Kind.SIGN_IN:
            self.printed = sign_in(self.gatehouse.origin, block.person, text, self.others.ca_bundle)
        elif block.kind is Kind.ID_TOKEN:
            client = text.split(", ")
            (self.folder / "id-token.txt").write_text(id_token(self.gatehouse, block.person, *client))
        elif block.serves:
            self._keep_running(text, self._here(block.serves))
        elif block.kind is Kind.COMMAND and (not block.needs_postgresql or operating.has_postgresql()):
            self._run(text, is_refused=block.is_refused)

    def _here(self, text: str) -> str:
        return here(text, self.real)

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

    def _connect(self, app: str, redirect_uris: str) -> None:
        """A person uses an app."""
        is_chatgpt = app.endswith("/oauth/client.json")
        program = [str(environments.python("mcp2")), "-m", f"tests.how_to.{'chatgpt' if is_chatgpt else 'app'}"]
        key = [f"{self.folder}/secrets/chatgpt.pem"] if is_chatgpt else []
        self._run(shlex.join([*program, self._here(SERVER), app, *redirect_uris.split(), *key]), is_refused=False)

    def _register(self, provider: str) -> None:
        """The reader copies the redirect URI to the identity provider."""
        found = re.search(r"^Redirect URI: (\S+)$", self.printed, re.MULTILINE)
        if found is None:
            raise NotAsWrittenError(f"no redirect URI was printed: {self.printed}")
        self.others.providers.redirect_uris[provider] = found[1]

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
        while not _answers(address, self.others.ca_bundle):
            if process.poll() is not None or time.monotonic() > ends:
                raise NotAsWrittenError(f"nothing answers at {address}:\n{text}\n{self._log()}")
            time.sleep(0.1)

    def _log(self) -> str:
        log = self.folder / "running.log"
        return (log.read_text(errors="replace")[-4000:] if log.exists() else "") + self.gatehouse.last_words()

    def _environment(self) -> dict[str, str]:
        here = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "HOME": str(self.folder), "PYTHONPATH": str(ROOT)}
        return environment(**here, **self.others.environment(self.gatehouse.issuer))


def _answers(address: str, ca_bundle: str) -> bool:
    with requests.Session() as session:
        session.trust_env, session.verify = False, ca_bundle
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
