"""The metrics of this process: tokens, refusals, latencies, fetches. authz/endpoints/metrics.py shows them.

Counting is a few additions in memory, because each token pays for it (prometheus_client's files cost ten times as much:
docs/decisions/0031-observing.md). Once a second each process publishes its counts to the run directory that
authz/serving/__main__.py makes, and the process that is asked adds them up. A killed process loses the counts of its
last second: exact numbers come from the audit.

Labels come from closed lists, never from a request: clients must not be able to create series.
"""

import json
import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from operator import itemgetter
from os import getpid
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from authz.conf import conf

Labels = tuple[str | int, ...]
Numbers = list[float]

logger = logging.getLogger(__name__)
_lock = threading.Lock()
# What a request has counted that may have to begin again.
_held: ContextVar[list[Callable[[], None]] | None] = ContextVar("held", default=None)
# Seconds. A machine's answer takes a millisecond, a person's page tens of them, a fetch at most five seconds.
DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MICROSECONDS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1)


class Counter:
    """A number that grows, for each combination of labels."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self.cells: dict[Labels, Numbers] = {}

    def add(self, *labels: str | int, by: float = 1.0) -> None:
        if (held := _held.get()) is not None:
            held.append(partial(self._add, labels, by))
        else:
            self._add(labels, by)

    def _add(self, labels: Labels, by: float) -> None:
        with _lock:
            cell = self.cells.get(labels)
            if cell is None:
                self.cells[labels] = [by]
            else:
                cell[0] += by

    def merge(self, numbers: Numbers, more: Numbers) -> Numbers:
        return [one + other for one, other in zip(numbers, more, strict=True)]

    def family(self, cells: Iterable[tuple[list[str], Numbers]]) -> Metric:
        family = CounterMetricFamily(self.name, self.meaning, labels=self.labels)
        for labels, numbers in cells:
            family.add_metric(labels, numbers[0])
        return family


class Gauge(Counter):
    """A gauge: the number that any process saw last. A cell holds it, and its time (seconds since the epoch)."""

    def set(self, value: float, *labels: str | int) -> None:
        with _lock:
            self.cells[labels] = [value, time.time()]

    def merge(self, numbers: Numbers, more: Numbers) -> Numbers:
        # The greatest would stay for ever where the process that saw it has ended, or is not asked any more.
        return max(numbers, more, key=itemgetter(1))

    def family(self, cells: Iterable[tuple[list[str], Numbers]]) -> Metric:
        family = GaugeMetricFamily(self.name, self.meaning, labels=self.labels)
        for labels, numbers in cells:
            family.add_metric(labels, numbers[0])
        return family


class Histogram(Counter):
    """Durations in seconds. A cell holds the count of each bucket, of the rest, and the sum."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...] = (), bounds: tuple[float, ...] = DURATIONS):
        super().__init__(name, meaning, labels)
        self.bounds = bounds

    def observe(self, seconds: float, *labels: str | int) -> None:
        if (held := _held.get()) is not None:
            held.append(partial(self._observe, labels, seconds))
        else:
            self._observe(labels, seconds)

    def _observe(self, labels: Labels, seconds: float) -> None:
        bucket = bisect_left(self.bounds, seconds)
        with _lock:
            cell = self.cells.get(labels)
            if cell is None:
                cell = self.cells[labels] = [0.0] * (len(self.bounds) + 2)
            cell[bucket] += 1.0
            cell[-1] += seconds

    def family(self, cells: Iterable[tuple[list[str], Numbers]]) -> Metric:
        family = HistogramMetricFamily(self.name, self.meaning, labels=self.labels)
        for labels, numbers in cells:
            total, buckets = 0.0, []
            for bound, count in zip((*map(str, self.bounds), "+Inf"), numbers[:-1], strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric(labels, buckets, numbers[-1])
        return family


RESPONSES = Counter("gatehouse_responses", "Answers, by endpoint and HTTP status.", ("endpoint", "status"))
RESPONSE_SECONDS = Histogram("gatehouse_response_seconds", "From a request's arrival to its answer.", ("endpoint",))
TOKENS = Counter("gatehouse_token_requests", "Token requests, by grant and result.", ("grant_type", "result"))
REFUSALS = Counter("gatehouse_refusals", "Refusals, by audit event and precise reason.", ("event", "reason"))
REFUSALS_LEFT_OUT = Counter("gatehouse_refusals_left_out", "Refusals beyond the audit's rate: counted, not written.")
RATE_LIMITED = Counter("gatehouse_rate_limited", "Requests answered 429, by endpoint and limit.", ("endpoint", "limit"))
POLICY_SECONDS = Histogram("gatehouse_policy_seconds", "Judging one request by the rules.", bounds=MICROSECONDS)
FETCHES = Counter("gatehouse_outbound_fetches", "Requests to other servers, by role and outcome.", ("role", "outcome"))
FETCH_SECONDS = Histogram("gatehouse_outbound_seconds", "Requests to other servers, by role.", ("role",))
KEYS_FETCHED = Gauge(
    "gatehouse_jwks_fetched_timestamp_seconds", "When a trusted issuer's keys last arrived.", ("jwks_uri",)
)
KEYS_FAILURES = Gauge("gatehouse_jwks_failures", "How often in a row fetching an issuer's keys failed.", ("jwks_uri",))
FORWARDED_UNREADABLE = Counter(
    "gatehouse_forwarded_unreadable", "Requests of a trusted proxy whose header names no address that can be read."
)
FORWARDED_UNTRUSTED = Counter(
    "gatehouse_forwarded_untrusted", "Requests with a proxy's header from an address that is no trusted proxy."
)
EXTENSION_FAULTS = Counter("gatehouse_extension_faults", "Faults of extensions, by id.", ("extension",))
SIGNALS = Counter("gatehouse_signals", "Security events that trusted issuers sent, by outcome.", ("outcome",))
DATABASE_ERRORS = Counter("gatehouse_database_errors", "Requests that the database failed, by endpoint.", ("endpoint",))

ALL: dict[str, Counter] = {
    metric.name: metric
    for metric in (
        RESPONSES,
        RESPONSE_SECONDS,
        TOKENS,
        REFUSALS,
        REFUSALS_LEFT_OUT,
        RATE_LIMITED,
        POLICY_SECONDS,
        FETCHES,
        FETCH_SECONDS,
        KEYS_FETCHED,
        KEYS_FAILURES,
        FORWARDED_UNREADABLE,
        FORWARDED_UNTRUSTED,
        EXTENSION_FAULTS,
        SIGNALS,
        DATABASE_ERRORS,
    )
}
# name → [(labels, numbers)]: what a process hands on.
Counted = dict[str, list[tuple[list[str], Numbers]]]


@contextmanager
def unless_begun_again(signal: type[BaseException]) -> Iterator[None]:
    """Metrics in here count at the end, but not if it ends with `signal`: then the request begins again."""
    held: list[Callable[[], None]] = []
    token = _held.set(held)
    try:
        yield
    except signal:
        held.clear()
        raise
    finally:
        _held.reset(token)
        for count in held:
            count()


def answered(endpoint: str, status: int, seconds: float) -> None:
    """One answer, as every endpoint counts it."""
    RESPONSES.add(endpoint, status)
    RESPONSE_SECONDS.observe(seconds, endpoint)


def counted() -> Counted:
    """What this process has counted so far."""
    with _lock:
        return {
            name: [([str(label) for label in labels], numbers.copy()) for labels, numbers in metric.cells.items()]
            for name, metric in ALL.items()
        }


def publish() -> None:
    """Publish this process's counts, atomically."""
    if conf.run_directory is None:
        return
    file = Path(conf.run_directory) / f"metrics-{getpid()}.json"
    new = file.with_suffix(".new")
    try:
        new.write_text(json.dumps(counted(), separators=(",", ":")))
        new.replace(file)
    except OSError:
        logger.exception("the metrics could not be published")


def families() -> Iterator[Metric]:
    """Everything that this server's processes on this machine have counted, added up."""
    everywhere = [counted(), *_of_the_others()]
    for name, metric in ALL.items():
        cells: dict[tuple[str, ...], Numbers] = {}
        for process in everywhere:
            for labels, numbers in process.get(name, ()):
                known = cells.get(tuple(labels))
                cells[tuple(labels)] = numbers if known is None else metric.merge(known, numbers)
        yield metric.family([(list(labels), numbers) for labels, numbers in sorted(cells.items())])


def _of_the_others() -> Iterator[Counted]:
    """Of workers that have ended too: a counter must not fall because a worker was replaced."""
    if conf.run_directory is not None:
        for file in Path(conf.run_directory).glob("metrics-*.json"):
            if file.stem != f"metrics-{getpid()}":
                yield json.loads(file.read_text())
