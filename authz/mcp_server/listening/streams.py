"""The streams that are open in this process: how many there may be, and the one thread that looks for news for them.

It reads the tasks' access requests in the database, so that a decision on any node is told within a second, and holds
nothing while it waits. A stream ends with its token, with the access of who listens, and when nothing more can come.
"""

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from django.db import Error as DatabaseFailure
from django.db import connections

from authz.database import concurrency
from authz.endpoints.event_stream import Channel
from authz.endpoints.machine import now
from authz.limits.refusal_sampling import UnrecordedError
from authz.mcp_server import request_answers, sse, tasks
from authz.mcp_server.held import Held
from authz.mcp_server.listening.messages import notification
from authz.mcp_server.reasons import McpReason
from authz.mcp_server.refusing import Refused, refuse
from authz.models import McpTask

log = logging.getLogger(__name__)
# Streams of a process, and of one caller among them.
MAXIMUM, MAXIMUM_EACH = 64, 4
# Seconds: between two looks for news, between two looks whether the caller may still listen, and after which a comment
# shows that the stream is alive.
LOOK_SECONDS, CHECK_SECONDS, BEAT_SECONDS = 1.0, 5.0, 15.0
# What a task's news depend on.
State = tuple[object, ...]


@dataclass(slots=True, eq=False)
class _Stream:
    """`told`: by task, what it was when it was last told of; None: not yet. Moments are of the monotonic clock."""

    held: Held
    channel: Channel
    told: dict[UUID, State | None]
    checked: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)

    @property
    def owner(self) -> tuple[int, str]:
        caller = self.held.asked.caller
        return caller.client.pk, caller.token.subject

    def look(self, found: dict[UUID, McpTask], moment: float) -> None:
        """Tell what is new. Raises `Refused` where the access has ended."""
        for gone in self.told.keys() - found.keys():
            del self.told[gone]
        if self.held.asked.caller.claims["exp"] <= now():
            self.channel.end()
            return
        today = datetime.fromtimestamp(now(), UTC)
        new = [task for key, told in self.told.items() if _state(task := found[key], today) != told]
        if new or moment - self.checked >= CHECK_SECONDS:
            with self.held.step() as caller:
                self.checked = moment
                for task in new:
                    self._tell(task, caller.moment)
        if not self.told:
            self.channel.end()
        elif moment - self.said >= BEAT_SECONDS:
            self.said = moment
            self.channel.put(sse.BEAT)

    def _tell(self, task: McpTask, moment: datetime) -> None:
        """> Each notification carries a complete DetailedTask for the current status, identical to what tasks/get would
        > have returned at that moment.
        """
        asked = self.held.asked
        shown = tasks.shown(task, asked.envelope, moment)
        self.channel.put(notification(asked, "notifications/tasks", shown))
        self.said = time.monotonic()
        if shown["status"] in tasks.TERMINAL:
            del self.told[task.pk]
        else:
            self.told[task.pk] = _state(task, moment)


def _state(task: McpTask, moment: datetime) -> State:
    row = task.access_request
    return (
        task.updated, task.round, task.wants_reason, task.wants_page, task.expires <= moment, row.reason,
        row.extension_fields, row.decided, request_answers.outcome_of(row, moment),
    )  # fmt: skip


_open: list[_Stream] = []
_lock = threading.Lock()
_thread: threading.Thread | None = None


def open_for(held: Held, channel: Channel, found: list[McpTask]) -> None:
    """Tell this channel of these tasks from now on. Raises `Refused` where all places are taken.

    Attack: a caller that opens streams until there are no connections left.
    """
    global _thread  # noqa: PLW0603  one per process is the idea
    stream = _Stream(held, channel, dict.fromkeys(task.pk for task in found))
    with _lock:
        is_free = len(_open) < MAXIMUM and sum(other.owner == stream.owner for other in _open) < MAXIMUM_EACH
        if is_free:
            _open.append(stream)
            if _thread is None:
                _thread = threading.Thread(target=_watch, name="mcp streams", daemon=True)
                _thread.start()
    if not is_free:
        raise refuse(McpReason.STREAMS_TAKEN)


def forget(channel: Channel) -> None:
    """Its stream is over."""
    with _lock:
        _open[:] = [stream for stream in _open if stream.channel is not channel]


def count() -> int:
    return len(_open)


def _watch() -> None:
    """Look, again and again, until no stream is left."""
    global _thread  # noqa: PLW0603
    while True:
        with _lock:
            streams = list(_open)
            if not streams:
                _thread = None
                break
        try:
            look_for(streams)
        except Exception:
            # Without this thread no one would be told of anything.
            log.exception("unexpected error in the streams of tasks")
        time.sleep(LOOK_SECONDS)
    connections.close_all()


def look_for(streams: list[_Stream]) -> None:
    try:
        with concurrency.in_thread():
            found = {task.pk: task for task in tasks.stored(*{key for stream in streams for key in stream.told})}
    except DatabaseFailure:
        log.exception("the tasks that clients listen for could not be read")
        # A connection that broke is not used again.
        connections.close_all()
        return
    for stream in streams:
        try:
            stream.look({key: found[key] for key in stream.told if key in found}, time.monotonic())
        except Refused:
            stream.channel.end()
        except (DatabaseFailure, UnrecordedError):
            # > a transport that closes without it indicates an unexpected disconnect, which the client MAY treat as a
            # > trigger to reconnect.
            log.exception("a client that listens could not be told")
            stream.channel.abandon()
        except Exception:
            log.exception("unexpected error in a stream of tasks")
            stream.channel.abandon()
