"""The servers of a run, and a stage for each page.

A server starts once. Between two pages `apply --prune` takes everything away that the page before has said. Pages that
begin with the same page are carried out after it, one after the other: so that page is done once for all of them.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from demo.gatehouse import Gatehouse
from demo.processes import free_port
from tests.how_to import operating, programs
from tests.how_to.others import Others
from tests.how_to.page import before, blocks
from tests.how_to.runner import Stage
from tests.support import databases

# Alice, an administrator, and Bob; both are engineers. Nothing else.
AT_FIRST = """
users:
  - {username: alice, password: alice-password, email: alice@example.com, groups: [engineering], role: administrator}
  - {username: bob, password: bob-password, email: bob@example.com, groups: [engineering]}
clients: []
resources: []
trusted_issuers: []
resource_authorization_servers: []
directories: []
signal_receivers: []
signal_sources: []
rules: []
webhooks: []
cimd: {}
audit_destinations: []
"""
PARTNER = "https://auth.partner.example"


class Stages:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers = ExitStack()
        self._page = ExitStack()
        self._stage: Stage | None = None
        self._begun: list[str] = []
        self._partner: Gatehouse | None = None
        self._port, self._partner_port = free_port(), free_port()
        self._ports = {"9300": str(free_port()), "9400": str(free_port())}

    def __enter__(self) -> Self:
        elsewhere = self._folder / "server"
        elsewhere.mkdir()
        self._others = self._servers.enter_context(Others(elsewhere))
        self._gatehouse = self._serve("gatehouse", self._port)
        return self

    def __exit__(self, *_: object) -> None:
        self._page.close()
        self._servers.close()

    def carry_out(self, page: Path) -> None:
        text = page.read_text()
        begins = before(text)
        if self._stage is None or not begins or self._begun != begins:
            self._stage = self._begin_again(page.stem, text)
            self._begun = []
            for name in begins:
                self._do(page.with_name(name).read_text())
        # Where it fails, the next page begins again.
        self._begun = []
        self._do(text)
        self._begun = begins

    def _do(self, text: str) -> None:
        assert self._stage is not None
        for block in blocks(text):
            self._stage.do(block)

    def _begin_again(self, name: str, text: str) -> Stage:
        needs_partner = f"ssh {urlsplit(PARTNER).netloc}" in text
        self._page.close()
        self._page = ExitStack()
        if needs_partner and self._partner is None:
            self._partner = self._serve("partner", self._partner_port)
        self._gatehouse.apply(AT_FIRST, "--prune")
        folder = self._folder / name
        partner = self._partner if needs_partner else None
        programs.write(folder, self._gatehouse, self._others, partner)
        real = self._real(folder) | operating.real(folder, text)
        operating.write(folder, text, real, Path(self._others.ca_bundle))
        self._others.write_secrets(folder / "secrets", self._gatehouse.issuer)
        return Stage(folder, self._gatehouse, self._others, real, self._page)

    def _real(self, folder: Path) -> dict[str, str]:
        """What the addresses of the pages are here."""
        return {
            "https://auth.example.com": self._gatehouse.origin,
            PARTNER: f"http://127.0.0.1:{self._partner_port}",
            "https://notes.example.com": f"http://127.0.0.1:{self._ports['9300']}",
            "https://id.example.com": f"http://127.0.0.1:{self._ports['9400']}",
            "/var/run/secrets": str(folder / "secrets"),
            **self._ports,
            **self._others.real,
        }

    def _serve(self, name: str, port: int) -> Gatehouse:
        folder = self._folder / "server"
        databases.prepare(folder / f"{name}.sqlite3")
        reached = [f"127.0.0.1:{port}" for port in (self._port, self._partner_port, *self._ports.values())]
        allowed = {"GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": ",".join([*reached, self._others.host])}
        server = Gatehouse(folder, name=name, port=port, settings={**self._others.settings, **allowed})
        return self._servers.enter_context(server)
