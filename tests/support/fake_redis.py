"""As much of Redis as `limits` and Django's cache need, in memory: counters that end, and values."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO


class FakeRedis(socketserver.ThreadingTCPServer):
    """Listens on 127.0.0.1. `asked` counts commands."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.address: tuple[str, int] = self.server_address  # type: ignore[assignment]
        self.asked = 0
        self.values: dict[bytes, tuple[bytes, float]] = {}
        self.lock = threading.Lock()

    def answer(self, command: bytes, *arguments: bytes) -> bytes:
        with self.lock:
            self.asked += 1
            match command.upper():
                case b"PING":
                    return b"+PONG\r\n"
                case b"SCRIPT":
                    return _bulk(b"0" * 40)
                case b"EVALSHA" | b"EVAL":
                    return self._count(arguments[2], int(float(arguments[3])), int(arguments[4]))
                case b"GET":
                    return _bulk(self._value(arguments[0]))
                case b"TTL":
                    return b":%d\r\n" % max(-2, round(self._ends(arguments[0]) - time.time()))
                case b"SET":
                    self.values[arguments[0]] = (arguments[1], time.time() + 60)
                    return b"+OK\r\n"
        return b"+OK\r\n"

    def _count(self, key: bytes, expiry: int, amount: int) -> bytes:
        value, ends = self._value(key), self._ends(key)
        count = int(value or 0) + amount
        self.values[key] = (b"%d" % count, ends if value else time.time() + expiry)
        return b":%d\r\n" % count

    def _ends(self, key: bytes) -> float:
        return self.values.get(key, (b"", 0.0))[1]

    def _value(self, key: bytes) -> bytes | None:
        return self.values[key][0] if self._ends(key) > time.time() else None


class _Connection(socketserver.StreamRequestHandler):
    server: FakeRedis

    def handle(self) -> None:
        try:
            while (command := _read(self.rfile)) is not None:
                self.wfile.write(self.server.answer(*command))
        except ConnectionError:
            pass  # the client has gone


def _read(stream: BinaryIO) -> list[bytes] | None:
    if not (line := stream.readline()):
        return None
    parts = []
    for _ in range(int(line[1:])):
        parts.append(stream.read(int(stream.readline()[1:])))
        stream.readline()
    return parts


def _bulk(value: bytes | None) -> bytes:
    return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)


@contextmanager
def listening() -> Iterator[FakeRedis]:
    server = FakeRedis()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
