"""Serving: some processes with a lane each (authz/serving/asgi.py), on one port, and one for what is done by the clock
(docs/decisions/0011-turns.md). All are forked from one that has loaded the application, and replaced when they end.

The lanes take connections from one socket (authz/serving/connection_balancer.py), which belongs to the parent: who
connects while a process is being replaced waits for another, or for the new one.
"""

import asyncio
import logging
import os
import resource
import select
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection, get_context
from multiprocessing.context import ForkProcess
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any, NoReturn

import uvicorn

from authz.serving.connection_balancer import Acceptor
from authz.serving.http_protocol import Connection

logger = logging.getLogger(__name__)

# Open files of a process: in all, and those that connections leave to the database and whatever else has to open one.
MAXIMUM_FILES, KEPT_FILES = 4096, 128
# Connections that wait to be accepted.
BACKLOG = 4096
# Seconds before another is started: one that cannot even start is not started as often as the machine is able to.
BEFORE_ANOTHER = 1.0
_TOLD = (signal.SIGTERM, signal.SIGINT)
_fork = get_context("fork")


def serve(
    host: str,
    port: int,
    *,
    lanes: int,
    stopping: int,
    clock: Callable[[Callable[[float], bool]], None],
    log_config: dict[str, Any],
) -> None:
    """Serve until SIGTERM or SIGINT; then requests in flight have `stopping` seconds. Exits where the port is taken.

    The `clock` is given something that waits so many seconds, and says whether it is over.
    """
    listener = _listener(host, port)
    files = _files()
    Connection.most = files - min(KEPT_FILES, files // 2)
    # How many connections each lane has.
    counts = RawArray("i", lanes)
    # Nothing is ever written to it. Its readers learn when nobody can: we are gone, and so are they (`kill -9`).
    life, _ours = os.pipe()
    config = uvicorn.Config(
        "authz.serving.worker:application",
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="off",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=stopping,
        # Who asked, and for whom, authz/limits/addresses.py says.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        # Less than an error is what strangers send that is no HTTP: it would fill the log.
        log_level="error",
        log_config=log_config,
    )
    is_over = threading.Event()

    def started(name: str, target: Callable[..., None], *arguments: object) -> ForkProcess:
        process = _fork.Process(target=_forked, args=(name, target, life, _ours, *arguments), name=name, daemon=True)
        # A signal in between comes to each when it can hear it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _TOLD)
        process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD)
        return process

    for number in _TOLD:
        signal.signal(number, lambda *_: is_over.set())
    kinds: list[tuple[Any, ...]] = [
        *(("lane", _lane, config, listener, counts, place) for place in range(lanes)),
        ("clock", _clock, clock),
    ]
    running = [started(*kind) for kind in kinds]
    while not is_over.is_set():
        connection.wait([process.sentinel for process in running], timeout=0.2)
        for place, process in enumerate(running):
            if not process.is_alive() and not is_over.is_set():
                logger.error("the process of the %s ended with %s, and is replaced", process.name, process.exitcode)
                if not is_over.wait(BEFORE_ANOTHER):
                    running[place] = started(*kinds[place])
    for process in running:
        process.terminate()
    for process in running:
        process.join(stopping + 1)
        process.kill()


def _forked(name: str, target: Callable[..., None], life: int, parents: int, *arguments: object) -> None:
    # Once it has stopped, uvicorn sends itself the signal that told it to. That is the end, and a good one.
    for number in _TOLD:
        signal.signal(number, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD)
    os.close(parents)
    with suppress(OSError):
        Path("/proc/self/comm").write_text(f"gatehouse {name}")
    target(life, *arguments)


def _lane(life: int, config: uvicorn.Config, *where: Any) -> None:
    async def served() -> None:
        asyncio.get_running_loop().add_reader(life, os._exit, 1)
        config.load()
        server = uvicorn.Server(config)
        Acceptor(server, *where)
        await server.serve(sockets=[])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(served())


def _clock(life: int, clock: Callable[[Callable[[float], bool]], None]) -> None:
    clock(lambda seconds: bool(select.select([life], [], [], seconds)[0]))


def _end(*_: object) -> NoReturn:
    raise SystemExit(0)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SystemExit(f"{host}:{port} cannot be served: {error.strerror}") from None
    listener.setblocking(False)
    return listener


def _files() -> int:
    """How many files a process may open, connections among them: as many as it is allowed, not as it was given."""
    given, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAXIMUM_FILES if allowed == resource.RLIM_INFINITY else min(MAXIMUM_FILES, allowed)
    files = max(given, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, allowed))
    return min(files, MAXIMUM_FILES)
