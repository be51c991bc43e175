"""Serve: `python -m authz.serving` (`make serve`). PORT, HOST and WORKERS come from the environment, and the rest from
the settings (docs/decisions/0011-event-loop-and-workers.md).
"""

import gc
import os
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory

from django.core.exceptions import ImproperlyConfigured

from authz.environment_readers import Problems, as_lines
from authz.operations import logs

# Seconds for requests in flight; the longest of them waits five for another server.
STOPPING = 6
WORKERS = 2


def main() -> None:
    # The processes share this directory: metrics (authz/telemetry/metrics.py), limits (authz/limits/node_counters.py)
    # and SQLite's write lock (authz/database/sqlite3). It is set before the settings are read, which happens once.
    with TemporaryDirectory(prefix="gatehouse-") as directory:
        os.environ.setdefault("GATEHOUSE_RUN_DIRECTORY", directory)
        try:
            _serve()
        except ImproperlyConfigured as error:
            sys.stderr.write(f"{as_lines(error)}\n")
            sys.exit(2)  # docs/commands.md


def _load() -> None:
    """Load the application once, before the processes are forked. They share its memory copy-on-write, so the garbage
    collector is told to leave it alone (`gc.freeze`).
    """
    gc.disable()
    from django.urls import get_resolver

    from authz.serving import asgi  # noqa: F401

    _ = get_resolver().url_patterns
    gc.enable()
    gc.collect()
    gc.freeze()


def _require_issuer() -> None:
    """Raises `ImproperlyConfigured` if the issuer is malformed. `manage.py migrate` checks it, too (authz.E001), but
    may not have run.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")
    from django.conf import settings

    from authz.protocol import issuers

    if problem := issuers.problem(str(settings.GATEHOUSE["ISSUER"])):
        raise ImproperlyConfigured(f"GATEHOUSE_ISSUER {problem}")


def _require_secret_key() -> None:
    """Ends the process where a check calls the settings wrong, or the secret key does not open this database's keys:
    each worker would fail by itself.
    """
    from django.core.management.base import CommandError
    from django.db import DatabaseError, connections

    from authz import checks
    from authz.management import settings_checks

    refusal = ""
    try:
        settings_checks.require([checks.SETTINGS], str)  # `prepare` has written the warnings
        settings_checks.require_secret_key()
    except CommandError as error:
        refusal = str(error)
    except DatabaseError:
        pass  # the server starts, and answers when the database does
    finally:
        connections.close_all()  # the processes are forked from this one
    if refusal:
        sys.stderr.write(f"{refusal}\n")
        sys.exit(1)


def _workers() -> int:
    value = os.environ.get("WORKERS") or str(WORKERS)
    if not value.isascii() or not value.isdecimal() or not 0 < int(value[:5]) < 1000:
        raise ImproperlyConfigured(f"WORKERS must be a number of processes, one at least, not {value!r}")
    return int(value)


def _serve() -> None:
    problems = Problems()
    workers = problems.read(WORKERS, _workers)
    problems.read(None, _require_issuer)
    problems.require_none()
    _load()
    _require_secret_key()
    from authz import __version__
    from authz.conf import conf
    from authz.database import checkpoints
    from authz.operations import periodic
    from authz.serving import processes

    def scheduled(is_over: Callable[[float], bool]) -> None:
        checkpoints.start()
        periodic.go_on(is_over)

    processes.serve(
        os.environ.get("HOST", "127.0.0.1"),
        int(os.environ.get("PORT") or 8000),  # authz/settings.py has checked it
        workers=workers,
        stopping=STOPPING,
        scheduled=scheduled,
        log_config=logs.configuration(os.environ.get("GATEHOUSE_LOG_FORMAT") or "plain"),
        name=f"Gatehouse {__version__} for {conf.issuer} (console: {conf.origin}/console/)",
    )


if __name__ == "__main__":
    main()
