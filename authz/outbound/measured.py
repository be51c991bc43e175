"""The metrics of each exchange: how many, with which outcome, and how long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from authz.outbound.roles import OutboundError, Role
from authz.telemetry import metrics


@dataclass(slots=True)
class Outcome:
    """What the exchange came to: `ok`, `not_modified`, the cause of its failure, or `error` for anything else."""

    name: str = "ok"


@contextmanager
def measured(role: Role) -> Iterator[Outcome]:
    """Count the exchange inside, and its seconds."""
    began, outcome = time.perf_counter(), Outcome()
    try:
        yield outcome
    except OutboundError as error:
        outcome.name = error.cause.value
        raise
    except BaseException:
        outcome.name = "error"
        raise
    finally:
        metrics.FETCHES.add(role.value, outcome.name)
        metrics.FETCH_SECONDS.observe(time.perf_counter() - began, role.value)
