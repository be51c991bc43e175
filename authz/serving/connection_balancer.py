"""Spreads connections over the worker processes: all listen on one socket, and the one with the fewest takes the next.

A connection stays with its worker, and a worker serves one machine request at a time. The kernel would deal connections
by a hash of the client's port: of sixteen, eleven may wait behind each other in one worker, and five in the other.
"""

import asyncio
import errno
import socket
from collections.abc import MutableSequence

import uvicorn

from authz.serving.http_protocol import Connection

# Seconds for which a worker that has more connections than another leaves the next to it, and seconds between its looks
# whether the other has taken it. If the others are busy for longer, it takes up to AT_A_TIME of those that wait.
BACKOFF_SECONDS, RECHECK_SECONDS, AT_A_TIME = 0.02, 0.001, 16
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
        self._left_since = self._left_last = 0.0
        self._watch()

    def _watch(self) -> None:
        self._count()
        self._loop.add_reader(self._listener, self._look)

    def _look(self) -> None:
        if self._server.should_exit:
            self._loop.remove_reader(self._listener)
        elif self._count() <= min(self._counts):
            self._take()
        elif self._is_left():
            for _ in range(AT_A_TIME):
                if not self._take():
                    break
        else:
            self._look_again(RECHECK_SECONDS)

    def _is_left(self) -> bool:
        """Whether the workers with fewer connections have had enough time to take the next."""
        now = self._loop.time()
        if now - self._left_last > 10 * RECHECK_SECONDS:
            self._left_since = now
        self._left_last = now
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
