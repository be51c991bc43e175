"""What looks wrong, for the page End access: only what the data says, each with what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Count, Q
from django.urls import reverse

from authz.approvals import agent_lifecycle
from authz.audit import counts
from authz.audit.counts import Dimension
from authz.console.cut_off import address
from authz.models import Authorization, Client

# Of each kind.
SHOWN = 5
# A reason stands out from so many refusals in a day on, and from so many times its usual number on.
LEAST, TIMES = 20, 5
USUAL_DAYS = 7
MOST_COUNTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One thing, in words, with a link. `ends`: the link leads to ending its access."""

    text: str
    name: str = ""
    url: str
    button: str = "Look"
    ends: bool = False


def found(now: datetime) -> list[Wrong]:
    """For a reader of cut-offs: approvers, auditors and administrators, who see all of it."""
    return [*_disabled_people(now), *_without_approval(now), *_without_owner(), *_refusals(now)]


def _live(now: datetime) -> Q:
    return Q(revoked=None) & (Q(expires=None) | Q(expires__gt=now))


def _disabled_people(now: datetime) -> Iterator[Wrong]:
    """Their tokens are inactive already; ending them keeps them from coming back with the account."""
    rows = Authorization.objects.filter(_live(now), user__is_active=False, user__ended=None).order_by()
    people = rows.values("user__username").annotate(n=Count("pk")).order_by("-n", "user__username")[:SHOWN]
    for row in people:
        yield Wrong(
            text=f"is disabled, with {_authorizations(row['n'])} that would come back with the account",
            name=row["user__username"],
            url=address("person", row["user__username"]),
            button="End access",
            ends=True,
        )


def _without_approval(now: datetime) -> Iterator[Wrong]:
    ended = agent_lifecycle.ended(now)
    rows = Authorization.objects.filter(_live(now), client__in=ended.order_by().values("pk")).order_by()
    agents = rows.values("client__client_id", "client__name").annotate(n=Count("pk"))
    for row in agents.order_by("-n", "client__client_id")[:SHOWN]:
        yield Wrong(
            text=f"has no approval any more, with {_authorizations(row['n'])} that would come back with a new one",
            name=row["client__name"] or row["client__client_id"],
            url=address("client", row["client__client_id"]),
            button="End access",
            ends=True,
        )


def _without_owner() -> Iterator[Wrong]:
    count = agent_lifecycle.ownerless().filter(status=Client.Status.APPROVED)[:MOST_COUNTED].count()
    if count:
        more = "+" if count == MOST_COUNTED else ""
        yield Wrong(
            text=f"{count}{more} approved agent{'s' * (count != 1)} without an active owner",
            url=f"{reverse('admin:authz_client_changelist')}?{urlencode({'attention': 'ownerless'})}",
        )


def _refusals(now: datetime) -> Iterator[Wrong]:
    """Reasons that refused far more in the last 24 hours than on a day of the week before."""
    hours = counts.Figures([counts.slot(now - timedelta(hours=n), counts.HOUR) for n in range(24)])
    latest = hours.ranking(Dimension.REASON, MOST_COUNTED)
    days = counts.Figures([counts.slot(now - timedelta(days=n), counts.DAY) for n in range(2, 2 + USUAL_DAYS)])
    usual = days.totals(Dimension.REASON, [reason for reason, _ in latest])
    shown = 0
    for reason, n in latest:
        daily = usual.get(reason, 0) / USUAL_DAYS
        if n >= LEAST and n >= TIMES * daily and shown < SHOWN:
            shown += 1
            since = (now - timedelta(hours=24)).replace(minute=0, second=0, microsecond=0).isoformat()
            events = reverse("admin:authz_auditevent_changelist")
            yield Wrong(
                text=f"{n:,} times in 24 hours, usually {daily:.0f} a day",
                name=reason.replace("_", " "),
                url=f"{events}?{urlencode({'reason': reason, 'time__gte': since})}",
            )


def _authorizations(number: int) -> str:
    return f"{number} live authorization{'s' * (number != 1)}"
