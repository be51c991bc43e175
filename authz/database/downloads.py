"""A response that is sent while it is made, such as an export. It ends when its reader disconnects.

ASGI silently accepts messages for a reader that has disconnected. An export would go on to its last row, and thousands
of such exports would occupy the database.
"""

import asyncio
import threading
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass(slots=True)
class Reader:
    """The reader of a response, as seen from a thread outside the event loop."""

    receive: Callable[[], Awaitable[Message]]
    send: Callable[[Message], Awaitable[None]]
    loop: AbstractEventLoop
    _gone: threading.Event = field(default_factory=threading.Event)

    def tell(self, message: Message) -> None:
        """Send, and wait until there is room for more."""
        asyncio.run_coroutine_threadsafe(self._told(message), self.loop).result()

    async def _told(self, message: Message) -> None:
        await self.send(message)

    def stream(self, start: Message, chunks: Iterable[bytes]) -> None:
        """Send the head and each chunk as it is made. It stops when the reader disconnects; the caller closes
        `chunks`.
        """
        with self._watched():
            self.tell(start)
            for chunk in self._while_here(chunks):
                self.tell({"type": "http.response.body", "body": chunk, "more_body": True})

    def _while_here(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._gone.is_set():
                return
            yield chunk

    @contextmanager
    def _watched(self) -> Iterator[None]:
        watch = asyncio.run_coroutine_threadsafe(self._watch(), self.loop)
        try:
            yield
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        # After the request's body the only message left to receive is the disconnect (ASGI, HTTP, `disconnect`).
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self._gone.set()
