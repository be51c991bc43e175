"""The processes of a server: some workers on one port, and one for scheduled tasks
(docs/decisions/0011-event-loop-and-workers.md). All are forked from a parent that has loaded the application, and
replaced when they end.

The workers accept connections from one socket (authz/serving/connection_balancer.py). It belongs to the parent, so a
client that connects while a worker is being replaced waits for another worker, or for the new one.

A server that stops refuses new connections first, so that a proxy sends them to another node. For `ENDING` seconds it
answers what comes over open connections. A connection that a proxy keeps open may be used in the moment in which it is
closed, and a proxy sends no POST twice.
"""

import asyncio
import logging
import os
import resource
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection, get_context
from multiprocessing.context import ForkProcess
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any, NoReturn

import uvicorn

from authz.serving.connection_balancer import Acceptor, waiting
from authz.serving.http_protocol import Connection

logger = logging.getLogger(__name__)

# Open files of a process: all of them, and those that client connections leave free for the database and other files.
MAXIMUM_FILES, KEPT_FILES = 4096, 128
# Connections that wait to be accepted.
BACKLOG = 4096
# Seconds before a process is replaced, so that one that cannot start is not started in a busy loop.
BEFORE_ANOTHER = 1.0
# Seconds: for requests over connections that are open when the server stops, and for those that were not accepted yet.
ENDING, ACCEPTING = 1.0, 0.5
_TOLD = (signal.SIGTERM, signal.SIGINT)
_fork = get_context("fork")


def serve(
    host: str,
    port: int,
    *,
    workers: int,
    stopping: int,
    scheduled: Callable[[Callable[[float], bool]], None],
    log_config: dict[str, Any],
    name: str = "",
) -> None:
    """Serve until SIGTERM or SIGINT; then requests in flight have `ENDING` and `stopping` seconds. Raises `SystemExit`
    where the port is taken.

    `scheduled` runs the scheduled tasks in a process of its own. It gets a function that waits so many seconds, and
    says whether the server is stopping.
    """
    listener = _listener(host, port)
    logger.info("%s listens on %s, port %d, with %d workers", name or "the server", host, port, workers)
    files = _files()
    Connection.most = files - min(KEPT_FILES, files // 2)
    # The number of connections of each worker.
    counts = RawArray("i", workers)
    # Nothing is ever written to this pipe. When the parent dies (`kill -9`), its readers see the end, and exit.
    life, _ours = os.pipe()
    config = uvicorn.Config(
        "authz.serving.worker:application",
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="off",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=stopping,
        # authz/limits/addresses.py reads the proxies' headers.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        # Below "error" uvicorn logs each malformed request, and a client could fill the log with them.
        log_level="error",
        log_config=log_config,
    )
    is_over = threading.Event()

    def started(name: str, target: Callable[..., None], *arguments: object) -> ForkProcess:
        process = _fork.Process(target=_forked, args=(name, target, life, _ours, *arguments), name=name, daemon=True)
        # A signal that arrives in between is delivered when the process has its handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, _TOLD)
        process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD)
        return process

    for number in _TOLD:
        signal.signal(number, lambda *_: is_over.set())
    kinds: list[tuple[Any, ...]] = [
        *(("serve", _worker, config, listener, counts, place) for place in range(workers)),
        ("tasks", _scheduler, scheduled),
    ]
    running = [started(*kind) for kind in kinds]
    while not is_over.is_set():
        connection.wait([process.sentinel for process in running], timeout=0.2)
        for place, process in enumerate(running):
            if not process.is_alive() and not is_over.is_set():
                logger.error("the process '%s' ended with %s, and is replaced", process.name, process.exitcode)
                if not is_over.wait(BEFORE_ANOTHER):
                    running[place] = started(*kinds[place])
    _refuse_connections(listener)
    ends = time.monotonic() + ENDING
    for process in running[:workers]:
        process.join(max(0.0, ends - time.monotonic()))
    for process in running:
        process.terminate()
    for process in running:
        process.join(stopping + 1)
        process.kill()


def _forked(name: str, target: Callable[..., None], life: int, parents: int, *arguments: object) -> None:
    # Once it has stopped, uvicorn sends itself the signal that stopped it. The exit code is then 0.
    for number in _TOLD:
        signal.signal(number, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD)
    os.close(parents)
    with suppress(OSError):  # Linux shows the first 15 characters
        Path("/proc/self/comm").write_text(f"gatehouse {name}")
    target(life, *arguments)


def _worker(life: int, config: uvicorn.Config, *where: Any) -> None:
    async def served() -> None:
        asyncio.get_running_loop().add_reader(life, os._exit, 1)
        config.load()
        server = uvicorn.Server(config)
        Acceptor(server, *where)
        await server.serve(sockets=[])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(served())


def _scheduler(life: int, scheduled: Callable[[Callable[[float], bool]], None]) -> None:
    scheduled(lambda seconds: bool(select.select([life], [], [], seconds)[0]))


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


def _refuse_connections(listener: socket.socket) -> None:
    """For all processes that share it. The kernel resets those that no worker has accepted yet, so these come first."""
    ends = time.monotonic() + ACCEPTING
    while waiting(listener) and time.monotonic() < ends:
        time.sleep(0.001)
    with suppress(OSError):  # only Linux ends a listening socket this way
        listener.shutdown(socket.SHUT_RD)


def _files() -> int:
    """Raise the soft limit on open files as far as the hard limit allows, and return how many may be used."""
    given, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAXIMUM_FILES if allowed == resource.RLIM_INFINITY else min(MAXIMUM_FILES, allowed)
    files = max(given, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, allowed))
    return min(files, MAXIMUM_FILES)
