"""A document host, a resolver and a record of connections for the tests of outbound requests."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authz import outbound
from tests.outbound.support import CA, DOCUMENT, allowing
from tests.support.document_host import DocumentHost, document_host, write_bundle


@pytest.fixture
def host(tmp_path: Path) -> Iterator[DocumentHost]:
    """A document host whose pair localhost:port is allow-listed, with its CA trusted."""
    with (
        document_host(CA, "client.example.com") as host,
        allowing(("localhost", host.port), ("client.example.com", host.port), bundle=write_bundle(CA, tmp_path)),
    ):
        yield host


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A fake resolver: what each name resolves to. Counted in `queries`."""
    table: dict[str, list[str]] = {"localhost": ["127.0.0.1"]}
    real = socket.getaddrinfo

    def resolve(name: str, port: int, *args: Any, **kwargs: Any) -> Any:
        table.setdefault("queries", []).append(name)
        if name not in table:
            return real(name, port, *args, **{**kwargs, "flags": socket.AI_NUMERICHOST})
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(family[":" in a], socket.SOCK_STREAM, 6, "", (a, port)) for a in table[name]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return table


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that a socket of this process was told to connect to."""
    made: list[Any] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        made.append(address)
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role with half a second for everything."""
    limits = outbound.Limits(5 * 1024, "application/json", "application/json", 0.5)
    monkeypatch.setattr(DOCUMENT, "limits", limits)
