"""The figures and charts of the home page. Each number has the address of the list behind it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from authz import audit
from authz.audit import counts
from authz.audit.counts import Dimension
from authz.console.widgets import charts, names
from authz.console.widgets.display import grant_colour
from authz.console.widgets.tasks import many
from authz.models import Authorization, Client


@dataclass(frozen=True, slots=True)
class Period:
    """`length` and the `step` of its bars, the format of a bar's `label`, and the size of `slots` in the counts."""

    length: timedelta
    step: timedelta
    label: str
    slots: int

    def steps(self, now: datetime) -> list[datetime]:
        """The beginning of each bar, the oldest first."""
        last = now.replace(minute=0, second=0, microsecond=0)
        last = last if self.step < timedelta(days=1) else last.replace(hour=0)
        return [last - self.step * i for i in range(int(self.length / self.step) - 1, -1, -1)]


PERIODS = {
    "24h": Period(timedelta(hours=24), timedelta(hours=1), "%H:00", counts.HOUR),
    "7d": Period(timedelta(days=7), timedelta(days=1), "%a %d", counts.DAY),
    "30d": Period(timedelta(days=30), timedelta(days=1), "%d %b", counts.DAY),
}
RANKED = 6
MAX_COUNTED = 10_000
ISSUED = {"event": audit.Event.TOKEN_ISSUED.value}


def figures(name: str, now: datetime) -> dict[str, Any]:
    """The context of a period's figures, chart and rankings for the template."""
    period = PERIODS[name]
    steps = period.steps(now)
    counted = counts.Figures([counts.slot(moment, period.slots) for moment in steps])
    chart = _tokens(counted, period, steps)
    since = {"time__gte": steps[0].isoformat()}
    return {
        "chart": chart,
        "figures": _totals(counted, chart, since, now),
        "refusals": _ranked(counted, Dimension.REASON, "reason", since, _spaced),
        "top_agents": _ranked(counted, Dimension.AGENT, "client_id", ISSUED | since, names.of_agents),
        "top_resources": _ranked(counted, Dimension.RESOURCE, "resource", ISSUED | since, names.of_servers),
        "newest": list(Client.objects.order_by("-id")[:5]),
        "is_behind": counted.is_behind,
    }


def _totals(
    counted: counts.Figures, chart: charts.Chart, since: Mapping[str, str], now: datetime
) -> list[dict[str, Any]]:
    refused = sum(sum(by_slot.values()) for by_slot in counted.by_slot(Dimension.REASON).values())
    issued = sum(bar.total for bar in chart.bars)
    live = Authorization.objects.filter(revoked=None).filter(Q(expires=None) | Q(expires__gt=now))
    n_live = live[: MAX_COUNTED + 1].count()
    agents = Client.objects.filter(status=Client.Status.APPROVED).count()
    return [
        {
            "n": issued,
            "name": many(issued, "token issued", "tokens issued"),
            "url": _events(**ISSUED, **since),
        },
        {
            "n": refused,
            "name": many(refused, "request refused", "requests refused"),
            "url": _events(outcome="refused", **since),
            "tone": "refused",
        },
        {
            "n": f"{n_live:,}" if n_live <= MAX_COUNTED else f"{MAX_COUNTED:,}+",
            "name": many(n_live, "live authorization", "live authorizations"),
            "url": f"{reverse('admin:authz_authorization_changelist')}?state=live",
        },
        {
            "n": agents,
            "name": many(agents, "approved agent", "approved agents"),
            "url": f"{reverse('admin:authz_client_changelist')}?status__exact=approved",
        },
    ]


def _ranked(
    counted: counts.Figures,
    dimension: str,
    column: str,
    also: Mapping[str, str],
    called: Callable[[Iterable[str]], Mapping[str, str]],
) -> list[dict[str, Any]]:
    """The most frequent values of a column, with their names and the list of their events."""
    rows = counted.ranking(dimension, RANKED)
    known = called(value for value, _ in rows)
    return [
        {
            "value": value,
            "name": known.get(value, value),
            "n": n,
            "top": rows[0][1],
            "url": _events(**{column: value}, **also),
        }
        for value, n in rows
    ]


def _tokens(counted: counts.Figures, period: Period, steps: Sequence[datetime]) -> charts.Chart:
    """Issued tokens by grant. A grant keeps its colour whatever else is shown."""
    by_grant = counted.by_slot(Dimension.GRANT)
    since = {"time__gte": steps[0].isoformat()}
    series: dict[str, list[int]] = {}
    colours: dict[str, int] = {}
    urls: dict[str, str] = {}
    for grant in sorted(by_grant, key=lambda grant: (grant_colour(grant), grant)):
        name = short(grant)
        series[name] = [by_grant[grant].get(slot, 0) for slot in counted.slots]
        colours[name] = grant_colour(grant)
        urls[name] = _events(**ISSUED, **since, detail__grant_type=grant)
    return charts.stacked(
        [f"{moment:{period.label}}" for moment in steps],
        series,
        colours=colours,
        urls=[
            _events(**ISSUED, time__gte=moment.isoformat(), time__lt=(moment + period.step).isoformat())
            for moment in steps
        ],
        key_urls=urls,
    )


def _events(**asked: str) -> str:
    """The address of the audit's list with these filters."""
    return f"{reverse('admin:authz_auditevent_changelist')}?{urlencode(asked)}"


def _spaced(reasons: Iterable[str]) -> Mapping[str, str]:
    return {reason: reason.replace("_", " ") for reason in reasons}


def short(grant: str) -> str:
    """`urn:ietf:params:oauth:grant-type:jwt-bearer` → `jwt-bearer`."""
    return grant.rpartition(":")[2]
