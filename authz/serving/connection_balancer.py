"""Spreads connections over the worker processes: all listen on one socket, and each takes its share of those that wait.

A connection stays with its worker, and a worker serves one machine request at a time. The kernel would deal connections
by a hash of the client's port: of sixteen, eleven may wait behind each other in one worker, and five in the other.

A turn of a busy loop takes as long as all its requests, so a worker takes its whole share at once. With one connection
a turn, the last of 256 that come together had its first answer after two seconds.
"""

import asyncio
import errno
import socket
import struct
from collections.abc import MutableSequence
from contextlib import suppress

import uvicorn

from authz.serving.http_protocol import Connection

# Seconds for which a worker that has its share leaves what waits to the others, and seconds between its looks whether
# they have taken it. If they are busy for longer, it takes that, too: a few at a time, as they may come back.
BACKOFF_SECONDS, RECHECK_SECONDS, FEW = 0.05, 0.001, 16
# Connections that a worker takes before it goes on with its requests.
AT_A_TIME = 64
# Seconds until it tries again when the kernel gives no connection, such as when no file descriptor is left.
POLL_SECONDS = 0.1


class Acceptor:
    """Takes connections from the `listener`. `counts` holds each worker's number of connections, this one's at
    `place`.
    """

    def __init__(
        self, server: uvicorn.Server, listener: socket.socket, counts: MutableSequence[int], place: int
    ) -> None:
        self._server, self._listener, self._counts, self._place = server, listener, counts, place
        self._loop = asyncio.get_running_loop()
        self._coming = set[asyncio.Task[object]]()
        self._left_since: float | None = None
        self._watch()

    def _watch(self) -> None:
        self._count()
        if not waiting(self._listener):
            self._left_since = None
        self._loop.add_reader(self._listener, self._look)

    def _look(self) -> None:
        if self._server.should_exit:
            self._loop.remove_reader(self._listener)
            return
        coming = waiting(self._listener)
        # None waits any more: accepting tells whether another worker was quicker, or the server stops.
        share = self._share(coming) if coming else 1
        if share > 0:
            self._left_since = None
            self._take_up_to(min(share, AT_A_TIME))
        elif self._is_left():
            self._take_up_to(FEW)
        else:
            self._look_again(RECHECK_SECONDS)

    def _share(self, coming: int) -> int:
        """How many this worker takes, so that it has as many as the others when they have taken theirs."""
        count = self._count()
        return -(-(sum(self._counts) + coming) // len(self._counts)) - count

    def _take_up_to(self, most: int) -> None:
        for _ in range(most):
            if not self._take():
                break

    def _is_left(self) -> bool:
        """Whether the workers with fewer connections have had enough time to take what waits."""
        now = self._loop.time()
        if self._left_since is None:
            self._left_since = now
        return now - self._left_since > BACKOFF_SECONDS

    def _look_again(self, after: float) -> None:
        self._loop.remove_reader(self._listener)
        self._loop.call_later(after, self._watch)

    def _take(self) -> bool:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False  # another worker was quicker, or the client has gone
        except OSError as error:
            if error.errno == errno.EINVAL:  # it listens no more
                self._end()
            else:
                self._look_again(POLL_SECONDS)
            return False
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._connection, connection))
        self._coming.add(task)
        task.add_done_callback(self._has_come)
        self._count()
        return True

    def _end(self) -> None:
        """Answer what comes over open connections, each for the last time, and stop when none is left."""
        self._loop.remove_reader(self._listener)
        Connection.is_ending = True
        if self._count():
            self._loop.call_later(POLL_SECONDS, self._end)
        else:
            self._server.should_exit = True

    def _connection(self) -> Connection:
        config, state = self._server.config, self._server.server_state
        return Connection(config=config, server_state=state, app_state={}, _loop=self._loop)

    def _has_come(self, task: asyncio.Task[object]) -> None:
        self._coming.discard(task)
        self._count()
        if not task.cancelled():
            task.exception()  # a client that has already gone leaves nothing to do

    def _count(self) -> int:
        """This worker's connections, published to the others. Each new connection wakes all workers, so the counts are
        never older than the last connection.
        """
        count = len(self._server.server_state.connections) + len(self._coming)
        self._counts[self._place] = count
        return count


def waiting(listener: socket.socket) -> int:
    """How many connections wait to be accepted. Only Linux tells; elsewhere 1."""
    with suppress(OSError, AttributeError):
        # `tcpi_unacked`, which is the length of the queue where a socket listens.
        return int(struct.unpack_from("I", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32), 24)[0])
    return 1
