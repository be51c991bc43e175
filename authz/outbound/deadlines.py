"""One deadline for a whole exchange with another server: connecting, TLS, every byte both
ways, and the close.

A socket's own timeout starts anew with each read, so a server that sends a byte a second is never late for it (attacks
4, 41). Therefore the deadline is judged between reads, and when it passes the socket itself is shut down: that ends
whatever waits for it, in a TLS handshake, in the middle of a line, or in a library that has let go of the socket.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from io import RawIOBase
from typing import Any, Self

# No lingering: the close that follows a cut is a reset, so the other side and both kernels are done with it as well.
_RESET = struct.pack("ii", 1, 0)


class TooMuchError(Exception):
    """The other side sent more bytes than it may, whatever they were: headers, chunk sizes, trailers or a body."""


class Abandonment:
    """Whether the result of an exchange is still wanted. If not, the exchanges that were begun under it end."""

    def __init__(self) -> None:
        self.is_abandoned = False
        self._lock = threading.Lock()
        self._cuts: list[Callable[[], None]] = []

    @contextmanager
    def in_force(self) -> Iterator[None]:
        token = _abandonment.set(self)
        try:
            yield
        finally:
            _abandonment.reset(token)

    def abandon(self) -> None:
        with self._lock:
            self.is_abandoned = True
            cuts = list(self._cuts)
        for cut in cuts:
            cut()

    def on_abandoned(self, cut: Callable[[], None]) -> None:
        with self._lock:
            self._cuts.append(cut)
        if self.is_abandoned:
            cut()

    def forget(self, cut: Callable[[], None]) -> None:
        with self._lock:
            self._cuts.remove(cut)


_abandonment: ContextVar[Abandonment | None] = ContextVar("abandonment", default=None)


class Deadline:
    """Seconds in which an exchange has to be over. A context: outside it nothing is cut."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds
        self._is_cut = False
        self._lock = threading.Lock()
        self._held: list[socket.socket] = []
        self._abandonment = _abandonment.get()
        self._watchdog = threading.Timer(max(0.0, seconds), self.cut)
        self._watchdog.daemon = True

    def __enter__(self) -> Self:
        self._watchdog.start()
        if self._abandonment is not None:
            self._abandonment.on_abandoned(self.cut)
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        if self._abandonment is not None:
            self._abandonment.forget(self.cut)
        with self._lock:
            held, self._held = self._held, []
        for handle in held:
            handle.close()

    @property
    def is_over(self) -> bool:
        return self._is_cut or time.monotonic() >= self.ends

    @property
    def is_abandoned(self) -> bool:
        """Whether it was ended because no request waits for it any more."""
        return self._abandonment is not None and self._abandonment.is_abandoned

    def left(self, most: float = float("inf")) -> float:
        """Seconds, as a timeout for one call: never 0, which would mean not to wait, and at most `most`."""
        return max(0.001, min(self.ends - time.monotonic(), most))

    def check(self) -> None:
        """Raises TimeoutError once it is over."""
        if self.is_over:
            raise TimeoutError

    def hold(self, sock: socket.socket) -> None:
        """Cut this connection when time is up, whichever object owns the socket by then. Raises TimeoutError if it is.

        A handle of our own: `http.client` lets go of its socket after the head of an answer that says
        `Connection: close`, and TLS takes the socket over.
        """
        handle = sock.dup()
        with self._lock:
            self._held.append(handle)
        self.check()

    def cut(self) -> None:
        """End every connection now."""
        self._is_cut = True
        with self._lock:
            for handle in self._held:
                with suppress(OSError):  # it has ended already
                    handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    handle.shutdown(socket.SHUT_RDWR)


class BoundedReader(RawIOBase):
    """The bytes of a socket, as a raw stream: at most `most` of them, and the deadline is judged around each read."""

    def __init__(self, raw: Any, deadline: Deadline, most: int) -> None:
        self._raw = raw
        self._deadline = deadline
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._deadline.check()
        count: int = self._raw.readinto(buffer) or 0
        # What the watchdog cut looks like a shorter answer.
        self._deadline.check()
        self._left -= count
        if self._left < 0:
            raise TooMuchError
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
