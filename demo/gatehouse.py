"""A Gatehouse of one's own: a real server process with its own database, configured by `manage.py apply`."""

import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import requests

from demo.processes import ROOT, Server, environment, free_port


@dataclass(slots=True)
class Gatehouse:
    """Serves `issuer` = http://127.0.0.1:PORT + `path`. `directory` keeps its database, configuration and log."""

    directory: Path
    path: str = "/o"
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    name: str = "gatehouse"
    _secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    _server: Server | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    @property
    def metadata_url(self) -> str:
        """RFC 8414 §3.1: the well-known string stands between the host and the issuer's path."""
        return f"http://127.0.0.1:{self.port}/.well-known/oauth-authorization-server{self.path}"

    @property
    def env(self) -> dict[str, str]:
        return environment(
            PORT=str(self.port),
            GATEHOUSE_ISSUER=self.issuer,
            GATEHOUSE_SECRET_KEY=self._secret,
            DATABASE_URL=f"sqlite:///{self.directory / (self.name + '.sqlite3')}",
            **self.settings,
        )

    def __enter__(self) -> Self:
        self._server = Server(
            name=self.name,
            command=["make", "--silent", "serve"],
            ready=self.metadata_url,
            log=self.directory / f"{self.name}.log",
            env=self.env,
        )
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()

    def last_words(self) -> str:
        return self._server.last_words() if self._server is not None else ""

    def apply(self, configuration: str, *options: str) -> str:
        """`manage.py apply` this YAML text to the running server; its printed difference."""
        file = self.directory / f"{self.name}.yaml"
        file.write_text(configuration)
        return self.manage("apply", str(file), *options)

    def manage(self, *arguments: str) -> str:
        """Run `manage.py`; its output. Raises RuntimeError if it fails."""
        command = [str(ROOT / ".venv/bin/python"), "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(
                f"manage.py {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def metadata(self) -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(self.metadata_url, timeout=60)
            response.raise_for_status()
            document: dict[str, Any] = response.json()
            return document

    @property
    def origin(self) -> str:
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"
