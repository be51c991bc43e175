"""`/metrics` for Prometheus: the counts of this server's processes on this machine, and figures of the database.

It tells its reader which issuers are trusted and how busy each client is, so it answers only a request that brings
`GATEHOUSE_METRICS_TOKEN`, and not at all without one. An address would prove nothing: behind a proxy on the same
machine every request of a stranger comes from loopback.
"""

import hmac
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from authz import registry
from authz.conf import conf
from authz.models import PeriodicTask
from authz.telemetry import metrics as counting


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format. The database's part is left out while the database is away."""
    if not conf.metrics_token:
        return JsonResponse({"error": "not_found"}, status=404)
    brought = request.META.get("HTTP_AUTHORIZATION", "")
    if not hmac.compare_digest(brought.encode(), f"Bearer {conf.metrics_token}".encode()):
        return JsonResponse({"error": "invalid_token"}, status=401, headers={"WWW-Authenticate": "Bearer"})
    families = CollectorRegistry()
    families.register(_Everything())
    return HttpResponse(
        generate_latest(families), content_type=CONTENT_TYPE_PLAIN_0_0_4, headers={"Cache-Control": "no-store"}
    )


metrics.is_machine_endpoint = True  # type: ignore[attr-defined]  # asking for counts is not counted


class _Everything(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from counting.families()
        try:
            yield from [*_tasks(), *_measured(), *_database()]
        except DatabaseFailure:
            return


def _gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=labels)


def _tasks() -> Iterator[Metric]:
    succeeded = _gauge(
        "gatehouse_periodic_succeeded_timestamp_seconds", "When a periodic task last ended well; 0 for never.", "task"
    )
    failures = _gauge("gatehouse_periodic_failures", "How often in a row a periodic task failed.", "task")
    for task in PeriodicTask.objects.filter(name__in=conf.periodic_tasks):
        succeeded.add_metric([task.name], task.succeeded)
        failures.add_metric([task.name], task.failures)
    yield from (succeeded, failures)


def _measured() -> Iterator[Metric]:
    """What periodic tasks say of their own lag, such as how many events wait to be sealed: `measures()`."""
    for task in registry.periodic_tasks().values():
        measures: Callable[[], Mapping[str, tuple[str, float]]] = getattr(task, "measures", dict)
        for name, (meaning, value) in measures().items():
            family = _gauge(name, meaning)
            family.add_metric([], value)
            yield family


def _database() -> Iterator[Metric]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            used = _gauge("gatehouse_database_connections", "Connections to this database, by state.", "state")
            cursor.execute(
                "SELECT coalesce(state, 'unknown'), count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() GROUP BY 1"
            )
            for state, count in cursor.fetchall():
                used.add_metric([state], count)
            yield used
            cursor.execute("SELECT current_setting('max_connections')::int, pg_database_size(current_database())")
            most, size = cursor.fetchone()
            yield _single("gatehouse_database_connections_max", "Connections that the server allows in all.", most)
        else:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
            size = cursor.fetchone()[0]
        yield _single("gatehouse_database_size_bytes", "How large the database is.", size)


def _single(name: str, meaning: str, value: Any) -> Metric:
    family = _gauge(name, meaning)
    family.add_metric([], value)
    return family


urlpatterns = [path("metrics", metrics)]
