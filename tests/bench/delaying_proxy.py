"""A TCP proxy that adds a round trip: `python -m tests.bench.delaying_proxy HOST PORT`.

It prints the port that it listens on. Each line on its standard input is a round trip in milliseconds, from then on.
It is a process of its own, so that its work is not measured as the server's. `select` waits for fractions of a
millisecond, which `epoll` does not.
"""

import asyncio
import selectors
import subprocess
import sys
from asyncio import Transport
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parents[2]


class Proxy:
    """A running one, as its starter sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._orders = process.stdin
        self.port = int(process.stdout.readline())

    def set_round_trip(self, milliseconds: float) -> None:
        self._orders.write(f"{milliseconds}\n")
        self._orders.flush()


@contextmanager
def between(host: str, port: int) -> Iterator[Proxy]:
    command = [sys.executable, "-m", "tests.bench.delaying_proxy", host, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Proxy(process)
        finally:
            process.terminate()


class _End(asyncio.Protocol):
    """One end of a proxied connection. What it reads leaves at the other end, `_End.delay` seconds later."""

    delay = 0.0

    def __init__(self) -> None:
        self._other: _End | None = None
        self._transport: Transport | None = None
        self._kept: deque[tuple[float, bytes]] = deque()
        self._loop = asyncio.get_running_loop()

    def join(self, other: "_End") -> None:
        self._other, other._other = other, self
        self._hand_on()
        other._hand_on()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._kept.append((self._loop.time() + _End.delay, data))
        if len(self._kept) == 1:
            self._hand_on()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._other is not None and self._other._transport is not None:
            self._other._transport.close()

    def _hand_on(self) -> None:
        """In the order in which it came."""
        if self._other is None or self._other._transport is None:
            return
        while self._kept and self._kept[0][0] <= self._loop.time():
            self._other._transport.write(self._kept.popleft()[1])
        if self._kept:
            self._loop.call_at(self._kept[0][0], self._hand_on)


class _Listening(_End):
    upstream = ("127.0.0.1", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        _, there = await self._loop.create_connection(_End, *self.upstream)
        self.join(there)


def _set_delay() -> None:
    line = sys.stdin.readline()
    if not line:
        sys.exit()
    _End.delay = float(line) / 2000


async def _serve(host: str, port: int) -> None:
    _Listening.upstream = (host, port)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Listening, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_reader(sys.stdin, _set_delay)
    await server.serve_forever()


if __name__ == "__main__":
    selector = selectors.SelectSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(_serve(sys.argv[1], int(sys.argv[2])))
