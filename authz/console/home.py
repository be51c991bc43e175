"""The console's home: what needs me, and what happens."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.cache import cache
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from authz import audit
from authz.approvals import agent_lifecycle
from authz.audit import counts
from authz.audit.counts import Dimension
from authz.console.access_requests.waiting import waiting_for_me
from authz.console.model_admin import person
from authz.console.refusing import one_of
from authz.console.site import console
from authz.console.widgets import charts, names
from authz.console.widgets.tasks import MAX_TASKS, Task, many
from authz.models import Authorization, Client, Notification, ProtectedResource, Rule, SigningKey, User
from authz.sign_in.roles import APPROVE_AGENTS, DECIDE_REQUESTS

# name → (length, step, how a step is labelled, what is counted by)
PERIODS = {
    "24h": (timedelta(hours=24), timedelta(hours=1), "%H:00", counts.HOUR),
    "7d": (timedelta(days=7), timedelta(days=1), "%a %d", counts.DAY),
    "30d": (timedelta(days=30), timedelta(days=1), "%d %b", counts.DAY),
}
# Figures are counted once a while, not once a visitor.
REMEMBERED = {"24h": 10, "7d": 60, "30d": 300}
SERIES, RANKED = 5, 6
OLD_KEY = timedelta(days=180)
ISSUED = {"event": audit.Event.TOKEN_ISSUED.value}


@console.page("", "index")
def home(request: HttpRequest) -> HttpResponse:
    period = one_of(request, "period", PERIODS) or "24h"
    context: dict[str, Any] = {
        **console.each_context(request),
        "title": "Home",
        "period": period,
        "periods": tuple(PERIODS),
    }
    context["tasks"] = tasks(request, datetime.now(UTC))
    if request.user.has_perm("authz.view_auditevent"):
        key = f"console:home:{period}"
        figures = cache.get(key)
        if figures is None:
            figures = happened(period, datetime.now(UTC))
            cache.set(key, figures, REMEMBERED[period])
        context |= figures
    else:
        context["own_agents"] = Client.objects.filter(owner=person(request)).order_by("-id")[:20]
    return TemplateResponse(request, "console/home.html", context)


def tasks(request: HttpRequest, now: datetime) -> list[Task]:
    found = []
    agents = reverse("admin:authz_client_changelist")
    if request.user.has_perm("authz.change_webhookendpoint"):
        lost = Notification.objects.filter(due=None, delivered=None, created__gt=now - timedelta(days=7))[:100].count()
        if lost:
            url = f"{reverse('admin:authz_notification_changelist')}?state=failed"
            found.append(Task(f"{lost} notification{'s' * (lost > 1)} did not arrive", url, "Look"))
    if request.user.has_perm(APPROVE_AGENTS):
        if waiting := Client.objects.filter(status=Client.Status.PENDING)[:MAX_TASKS].count():
            text = many(waiting, "1 agent waits for approval", "{} agents wait for approval")
            found.append(Task(text, f"{agents}?status__exact=pending", "Decide", "inbox"))
        found += _lifecycle(agents, now)
    if request.user.has_perm(DECIDE_REQUESTS) and (asks := len(waiting_for_me(request, now))):
        queue = f"{reverse('admin:authz_accessrequest_changelist')}?waits=me"
        text = many(asks, "1 access request waits for you", "{} access requests wait for you")
        found.append(Task(text, queue, "Decide", "inbox"))
    for model_admin in console._registry.values():
        if hasattr(model_admin, "tasks"):
            found += model_admin.tasks(request, now)
    if request.user.is_superuser:
        found += _setting_up(now)
    return found


def _lifecycle(agents: str, now: datetime) -> list[Task]:
    """Approvals that somebody should renew, or let end."""
    rows = Client.objects.filter(status=Client.Status.APPROVED, approved_until__lte=now + agent_lifecycle.SOON)
    ends = list(rows.order_by("approved_until").values_list("approved_until", flat=True)[:200])
    ended = sum(end is not None and end <= now for end in ends)
    found = []
    for kind, count, one, some in (
        ("ended", ended, "agent stopped: nobody renewed it", "agents stopped: nobody renewed them"),
        ("ending", len(ends) - ended, "approval of an agent ends soon", "approvals of agents end soon"),
    ):
        if count:
            more = "+" if len(ends) == 200 else ""
            found.append(Task(f"{count}{more} {one if count == 1 else some}", f"{agents}?attention={kind}", "Renew"))
    return found


def _setting_up(now: datetime) -> list[Task]:
    """What an empty server needs first, and keys that grow old."""
    found = []
    if not ProtectedResource.objects.exists():
        found.append(
            Task("No MCP server is registered yet", reverse("admin:authz_protectedresource_add"), "Add one", "server")
        )
    if not Rule.objects.exists():
        found.append(
            Task("There is no rule yet, so nobody gets anything", reverse("admin:authz_rule_add"), "Write one", "rule")
        )
    if User.objects.filter(is_active=True)[:2].count() < 2:
        text = "You are alone here, and nobody approves an agent of their own: somebody else has to answer for it"
        found.append(Task(text, reverse("admin:authz_user_add"), "Add them", "person"))
    signing = list(SigningKey.objects.filter(retired=None).values_list("alg", "signs_from"))
    keys = reverse("admin:authz_signingkey_changelist")
    if not signing:
        found.append(Task("There is no signing key, so no token can be issued", keys, "See the keys", "key"))
    for alg, signs_from in signing:
        if signs_from < now - OLD_KEY:
            found.append(
                Task(f"The {alg} key has been signing for more than {OLD_KEY.days} days", keys, "Rotate it", "key")
            )
    return found


def _spaced(reasons: Iterable[str]) -> Mapping[str, str]:
    return {reason: reason.replace("_", " ") for reason in reasons}


def happened(period: str, now: datetime) -> dict[str, Any]:
    """Figures and charts of a period. Every number comes with the address of the list behind it."""
    length, step, label, kept = PERIODS[period]
    last = now.replace(minute=0, second=0, microsecond=0)
    last = last if step < timedelta(days=1) else last.replace(hour=0)
    steps = [last - step * i for i in range(int(length / step) - 1, -1, -1)]
    figures = counts.Figures([counts.slot(moment, kept) for moment in steps])
    chart, total = _tokens(figures.by_slot(Dimension.GRANT), figures.slots, steps, step, label)
    explorer = reverse("admin:authz_auditevent_changelist")
    in_period = {"time__gte": steps[0].isoformat()}

    def ranked(
        dimension: str, column: str, only: Mapping[str, str], called: Callable[[Iterable[str]], Mapping[str, str]]
    ) -> list[dict[str, Any]]:
        rows = figures.ranking(dimension, RANKED)
        known = called(value for value, _ in rows)
        return [
            {
                "value": value,
                "name": known.get(value, value),
                "n": n,
                "top": rows[0][1],
                "url": f"{explorer}?{urlencode({column: value, **in_period, **only})}",
            }
            for value, n in rows
        ]

    refused = sum(sum(by_slot.values()) for by_slot in figures.by_slot(Dimension.REASON).values())
    live = Authorization.objects.filter(revoked=None).filter(Q(expires=None) | Q(expires__gt=now))[:10_001].count()
    return {
        "chart": chart,
        "figures": [
            {
                "n": total,
                "name": "tokens issued",
                "url": f"{explorer}?{urlencode({'event': audit.Event.TOKEN_ISSUED.value, **in_period})}",
            },
            {
                "n": refused,
                "name": "requests refused",
                "url": f"{explorer}?{urlencode({'outcome': 'refused', **in_period})}",
                "tone": "refused",
            },
            {
                "n": f"{live:,}" if live <= 10_000 else "10,000+",
                "name": "live authorizations",
                "url": f"{reverse('admin:authz_authorization_changelist')}?state=live",
            },
            {
                "n": Client.objects.filter(status=Client.Status.APPROVED).count(),
                "name": "approved agents",
                "url": f"{reverse('admin:authz_client_changelist')}?status__exact=approved",
            },
        ],
        "refusals": ranked(Dimension.REASON, "reason", {}, _spaced),
        "top_agents": ranked(Dimension.AGENT, "client_id", ISSUED, names.of_agents),
        "top_resources": ranked(Dimension.RESOURCE, "resource", ISSUED, names.of_servers),
        "newest": list(Client.objects.order_by("-id")[:5]),
        "is_behind": figures.is_behind,
    }


def _tokens(
    counted: Mapping[str, Mapping[str, int]],
    slots: Sequence[str],
    steps: Sequence[datetime],
    step: timedelta,
    label: str,
) -> tuple[charts.Chart, int]:
    by_grant = {short(grant): by_slot for grant, by_slot in counted.items()}
    in_period = {**ISSUED, "time__gte": steps[0].isoformat()}
    ordered = sorted(by_grant, key=lambda grant: -sum(by_grant[grant].values()))
    series = {grant: [by_grant[grant].get(slot, 0) for slot in slots] for grant in ordered[:SERIES]}
    if rest := ordered[SERIES:]:
        series["others"] = [sum(by_grant[grant].get(slot, 0) for grant in rest) for slot in slots]
    explorer = reverse("admin:authz_auditevent_changelist")
    urls = [
        f"{explorer}?{urlencode({**ISSUED, 'time__gte': moment.isoformat(), 'time__lt': (moment + step).isoformat()})}"
        for moment in steps
    ]
    key_urls = {
        short(grant): f"{explorer}?{urlencode({**in_period, 'detail__grant_type': grant})}" for grant in counted
    }
    chart = charts.stacked([f"{moment:{label}}" for moment in steps], series, urls=urls, key_urls=key_urls)
    return chart, sum(sum(values) for values in series.values())


def short(grant: str) -> str:
    """`urn:ietf:params:oauth:grant-type:jwt-bearer` → `jwt-bearer`."""
    return grant.rpartition(":")[2]
