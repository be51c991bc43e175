"""The dashboard, the alerts and the table name metrics that exist, and all that exist are told."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connection

from authz.models import PeriodicTask
from authz.telemetry import metrics
from tests.support.world import World

FOLDER = Path(__file__).resolve().parents[2] / "docs/operations"
TOKEN = "a metrics token for tests, long enough"
POSTGRESQL = {"gatehouse_database_connections", "gatehouse_database_connections_max"}
NAME = re.compile(r"\bgatehouse_[a-z_]+")


def queries() -> list[str]:
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    alerts = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return shown + [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]


@pytest.fixture
def series(gatehouse: World, settings: Any) -> dict[str, set[str]]:
    """The series' names that `/metrics` really has, with their labels."""
    settings.GATEHOUSE = settings.GATEHOUSE | {"METRICS_TOKEN": TOKEN}
    for name in settings.GATEHOUSE["PERIODIC_TASKS"]:
        PeriodicTask.objects.get_or_create(name=name)
    for metric in metrics.ALL.values():
        labels = tuple("x" for _ in metric.labels)
        if isinstance(metric, metrics.Histogram):
            metric.observe(0.1, *labels)
        elif isinstance(metric, metrics.Gauge):
            metric.set(1, *labels)
        else:
            metric.add(*labels)
    text = gatehouse.browser.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).content.decode()
    for metric in metrics.ALL.values():
        metric.cells.clear()
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(gatehouse_\w+)(?:\{(.*?)\})? ", text, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r"(\w+)=", labels))
    if connection.vendor == "sqlite":
        found |= {name: {"state"} for name in POSTGRESQL}
    return found


def test_every_metric_in_a_query_exists(series: dict[str, set[str]]) -> None:
    named = {name for query in queries() for name in NAME.findall(query)}
    assert len(named) > 15
    assert named - set(series) == set()


def test_every_label_in_a_query_exists(series: dict[str, set[str]]) -> None:
    for query in queries():
        for name, matchers in re.findall(r"(gatehouse_\w+)\{([^}]*)\}", query):
            assert set(re.findall(r"(\w+)\s*[!=]~?", matchers)) <= series[name], query


def test_the_table_tells_every_metric(series: dict[str, set[str]]) -> None:
    told = set(re.findall(r"^\| `(gatehouse_\w+)`", (FOLDER / "watching.md").read_text(), re.MULTILINE))
    there = {re.sub(r"_(bucket|count|sum)$", "", name) for name in series}
    assert told == there | POSTGRESQL


def test_no_metric_is_without_a_query(series: dict[str, set[str]]) -> None:
    named = {re.sub(r"_(bucket|count|sum)$", "", name) for query in queries() for name in NAME.findall(query)}
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in series} - named == set()
