"""A response that stays open and holds no thread: other threads put events into its channel, and the event loop sends
them (authz/serving/asgi.py).
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator

from django.http import StreamingHttpResponse

# Events that may wait for a reader who reads slowly. One who is further behind is disconnected.
MAXIMUM_UNREAD = 64
# Seconds between two looks at a channel that no event loop waits for.
LOOK_SECONDS = 0.25


class Channel:
    """What is still to be sent. `last` is sent where the server ends the stream in order."""

    def __init__(self, last: bytes, is_over: Callable[[], object]) -> None:
        self._events: deque[bytes] = deque()
        self._last, self._is_over = last, is_over
        self._lock = threading.Lock()
        self._wake: Callable[[], object] = lambda: None
        self.is_open = True

    # --- From any thread ---

    def put(self, event: bytes) -> None:
        with self._lock:
            if not self.is_open:
                return
            self._events.append(event)
            is_full = len(self._events) > MAXIMUM_UNREAD
        if is_full:
            self.abandon()
        self._wake()

    def end(self) -> None:
        """End it in order: what waits is sent, and `last`."""
        self._close([self._last])

    def abandon(self) -> None:
        """The reader is gone, or what it has read so far is all that it gets.

        Not `close`: Django calls that when the request's thread is done with the response.
        """
        with self._lock:
            self._events.clear()
        self._close([])

    def _close(self, more: list[bytes]) -> None:
        with self._lock:
            was_open, self.is_open = self.is_open, False
            if was_open:
                self._events.extend(more)
        if was_open:
            self._is_over()
            self._wake()

    # --- From the one that sends ---

    def on_event(self, wake: Callable[[], object]) -> None:
        """Have `wake` called, from any thread, when there is something to take."""
        self._wake = wake

    def take(self) -> bytes | None:
        """The next event; None if none waits."""
        with self._lock:
            return self._events.popleft() if self._events else None

    def __iter__(self) -> Iterator[bytes]:
        """Where a thread sends them, as under another WSGI server."""
        came = threading.Event()
        self.on_event(came.set)
        try:
            while (event := self.take()) is not None or self.is_open:
                if event is not None:
                    yield event
                else:
                    came.wait(LOOK_SECONDS)
                    came.clear()
        finally:
            self.abandon()


class EventStream(StreamingHttpResponse):
    """Server-sent events out of a channel."""

    def __init__(self, channel: Channel) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
        super().__init__(channel, content_type="text/event-stream", headers=headers)
        self.channel = channel
