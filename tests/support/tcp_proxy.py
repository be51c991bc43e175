"""A TCP proxy that misbehaves when it is told to: for what a network between us and a database, a cache or another
server can do.

    with tcp_proxy.between(("127.0.0.1", 5432)) as proxy:
        proxy.mode = Mode.SWALLOW
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from urllib.parse import urlsplit, urlunsplit

# Seconds between two looks at the mode, where nothing moves.
LOOK_SECONDS = 0.02
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Mode(Enum):
    """PASS hands everything on, after `delay` milliseconds. STALL keeps everything, and hands it on once it is PASS
    again: a server that was stopped. SWALLOW loses it for good: a network that drops packets. RESET cuts every
    connection, and those that come. Under STALL and SWALLOW new connections are accepted, as the system of a stopped
    server does.
    """

    PASS = auto()
    STALL = auto()
    SWALLOW = auto()
    RESET = auto()


class Proxy:
    """Listens on 127.0.0.1 at `port`. `mode` and `delay` (milliseconds, each way) may be set at any time."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.mode = Mode.PASS
        self.delay = 0
        self.connections = 0
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp proxy", daemon=True)
        self._thread.start()

    def url(self, url: str) -> str:
        """The same URL, by way of this proxy."""
        parts = urlsplit(url)
        before, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{before}{at}127.0.0.1:{self.port}"))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        back: asyncio.StreamWriter | None = None
        try:
            await self._passable()
            there, back = await asyncio.open_connection(*self._upstream)
            self._open.add(back)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pipe(reader, back))
                both.create_task(self._pipe(there, writer))
        except* (OSError, _CutError):
            pass  # what a proxy is for
        finally:
            for end in (writer, back):
                if end is not None:
                    self._cut(end) if self.mode is Mode.RESET else end.close()
                    self._open.discard(end)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            reading = asyncio.ensure_future(reader.read(65536))
            try:
                while not reading.done():
                    await asyncio.wait({reading}, timeout=LOOK_SECONDS)
                    self._unless_reset()
            finally:
                reading.cancel()
            data = await reading
            if self.mode is Mode.SWALLOW:
                if not data:
                    # The end is lost with the rest.
                    await self._passable()
                    raise _CutError
                continue
            await self._passable()
            if not data:
                raise _CutError
            await asyncio.sleep(self.delay / 1000)
            writer.write(data)
            await writer.drain()

    async def _passable(self) -> None:
        while self.mode in {Mode.STALL, Mode.SWALLOW}:
            await asyncio.sleep(LOOK_SECONDS)
        self._unless_reset()

    def _unless_reset(self) -> None:
        if self.mode is Mode.RESET:
            raise _CutError

    def _cut(self, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()


class _CutError(Exception):
    """This connection is over."""


@contextmanager
def between(upstream: tuple[str, int]) -> Iterator[Proxy]:
    proxy = Proxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()
