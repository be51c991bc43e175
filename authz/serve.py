"""Serve: `python -m authz.serve` (`make serve`). PORT, HOST and WORKERS come from the environment, and the rest from
the settings (docs/decisions/0011-turns.md).
"""

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from tempfile import TemporaryDirectory

from authz import logs

logger = logging.getLogger(__name__)

# Seconds for requests in flight; the longest of them waits five for somebody else's server.
STOPPING = 6
WORKERS = 2


def main() -> None:
    # What the processes share: what each has counted (authz/metrics.py), limits (authz/node_counters.py), turns
    # (authz/backends/sqlite3). The settings are read once, so this comes before anything that reads them.
    with TemporaryDirectory(prefix="gatehouse-") as directory:
        os.environ.setdefault("GATEHOUSE_RUN_DIRECTORY", directory)
        _run()


def _run() -> None:
    is_over = threading.Event()
    periodic = threading.Thread(target=_keep_periodic, args=(is_over,), name="periodic")
    periodic.start()
    try:
        _serve()
    finally:
        is_over.set()
        periodic.join()


def _keep_periodic(is_over: threading.Event) -> None:
    """Beside the workers, in a process of its own: sealing and telling take no time from those who wait for a token. It
    ends with us, however we end, and is started again if it ends alone: a server without it seals nothing.
    """
    command = [sys.executable, "-m", "django", "periodic", "--settings", "authz.settings", "--parent", str(os.getpid())]
    while not is_over.is_set():
        process = subprocess.Popen(command)  # noqa: S603  our own interpreter
        while process.poll() is None and not is_over.wait(1):
            pass
        if process.returncode is None:
            process.terminate()
            process.wait()
        elif -process.returncode in {signal.SIGINT, signal.SIGTERM}:
            return  # told to stop, as all of us are by Ctrl-C or by systemd
        else:
            logger.error("what is done by the clock ended with %s, and is started again", process.returncode)


def _load() -> None:
    """Load the application once, before the workers are forked: they share its memory as long as nobody writes to it,
    which is why the collector leaves alone what is there now. It need not look through it again, either.
    """
    from django.urls import get_resolver

    from authz import asgi  # noqa: F401

    _ = get_resolver().url_patterns
    gc.collect()
    gc.freeze()


def _serve() -> None:
    workers = os.environ.get("WORKERS") or str(WORKERS)
    if not workers.isdecimal() or int(workers) == 0:
        raise SystemExit(f"WORKERS must be a number of processes, one at least, not {workers!r}")
    _load()
    from authz import lanes

    lanes.serve(
        os.environ.get("HOST", "127.0.0.1"),
        int(os.environ.get("PORT", "8000")),
        lanes=int(workers),
        stopping=STOPPING,
        log_config=logs.configuration(os.environ.get("GATEHOUSE_LOG_FORMAT") or "plain"),
    )


if __name__ == "__main__":
    main()
