"""Agents whose owner has left pass to a successor, or are suspended after a grace period (a scheduled task).

An owner has left if the account is switched off, by a directory, an administrator, a file or the switch, or removed.
The agent passes to the successor that it names, or else to GATEHOUSE_DEFAULT_SUCCESSOR, if that person is still here.
Where neither is, approvers are told, and GATEHOUSE_OWNER_GRACE_DAYS later the agent is suspended. An owner who comes
back before keeps it (docs/decisions/0107-succession.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from itertools import groupby

from django.db.models import Q, QuerySet
from django.urls import reverse

from authz import audit, authorizations, notifications
from authz.approvals import approvers, notices
from authz.approvals.agent_lifecycle import LifecycleEvent
from authz.conf import conf
from authz.database.transactions import long_statements, unit_of_work
from authz.models import Client, Generation, User
from authz.notifications import Kind

EVERY = 5.0
NEEDS_TRUE_CLOCK = True
# Agents of one transaction. A second one follows at once.
BATCH = 200
# How many agents a notice names.
NAMED = 10
Status = Client.Status


class Step(Enum):
    """What becomes of an agent."""

    NOTHING = auto()
    KEEP = auto()
    PASS = auto()
    WARN = auto()
    SUSPEND = auto()


def step(
    *,
    is_owner_here: bool,
    has_successor: bool,
    since: datetime | None,
    is_approved: bool,
    grace: timedelta,
    now: datetime,
) -> Step:
    """`since` is when the owner was first missed; `has_successor`: somewhere there is one who is still here."""
    if is_owner_here:
        return Step.NOTHING if since is None else Step.KEEP
    if has_successor:
        return Step.PASS
    if since is None:
        return Step.WARN
    return Step.SUSPEND if is_approved and since + grace <= now else Step.NOTHING


def grace() -> timedelta:
    return timedelta(days=conf.owner_grace_days)


def suspended_from(client: Client) -> datetime | None:
    """When an agent without an owner is suspended, unless it gets one; None: it has one, or needs none."""
    if client.owner_left is None or client.status != Status.APPROVED:
        return None
    return client.owner_left + grace()


def run() -> bool:
    """Whether there is more to do."""
    now = datetime.now(UTC)
    keys = list(_due(now).order_by("pk").values_list("pk", flat=True)[:BATCH])
    if keys:
        with long_statements(), unit_of_work():
            _settle(keys, now)
    return len(keys) == BATCH


_GONE = Q(owner__is_active=False) | Q(owner=None) & (~Q(lost_owner="") | Q(owner_left__isnull=False))


def _default() -> QuerySet[User]:
    return User.objects.filter(username=conf.default_successor or None, is_active=True)


def _due(now: datetime) -> QuerySet[Client]:
    back = Q(owner__is_active=True) & (Q(owner_left__isnull=False) | ~Q(lost_owner=""))
    missed = _GONE & Q(owner_left=None)
    over = _GONE & Q(status=Status.APPROVED, owner_left__lte=now - grace())
    heirs = _GONE if _default().exists() else _GONE & Q(successor__is_active=True)
    return Client.objects.exclude(status=Status.RETIRED).filter(back | missed | over | heirs)


@dataclass(frozen=True, slots=True)
class _Settled:
    client: Client
    step: Step
    to: User | None = None


def _settle(keys: Sequence[int], now: datetime) -> None:
    """Decide about each by what the rows say under their locks, and tell."""
    # As who applies a file does: the configuration first, then people, then agents.
    Generation.objects.select_for_update().filter(pk=1).first()
    people = _locked_people(keys)
    rows = Client.objects.filter(pk__in=keys).exclude(status=Status.RETIRED).order_by("pk")
    # One that another request holds at this moment, such as an approval, is due again in seconds.
    locked = list(rows.select_for_update(of=("self",), skip_locked=True))
    settled = [_settled(client, people, now) for client in locked if _named_by(client) <= people.keys()]
    _tell_approvers(Kind.AGENT_OWNER_LEFT, [one.client for one in settled if one.step is Step.WARN], now)
    _tell_approvers(Kind.AGENT_SUSPENDED, [one.client for one in settled if one.step is Step.SUSPEND], now)
    passed = sorted((one for one in settled if one.to is not None), key=lambda one: one.to.pk if one.to else 0)
    for _, ones in groupby(passed, key=lambda one: one.to):
        _tell_successor(list(ones), now)


def _named_by(client: Client) -> set[int]:
    return {key for key in (client.owner_id, client.successor_id) if key is not None}


def _locked_people(keys: Sequence[int]) -> Mapping[int, User]:
    """Owners and successors, so that none of them leaves or comes back meanwhile."""
    named = Client.objects.filter(pk__in=keys).values_list("owner", "successor")
    wanted = {key for pair in named for key in pair if key is not None} | set(_default().values_list("pk", flat=True))
    # An agent that names one of them does not wait for this lock.
    return {user.pk: user for user in User.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk")}


def _settled(client: Client, people: Mapping[int, User], now: datetime) -> _Settled:
    owner, to = people.get(client.owner_id or 0), _successor(client, people)
    is_here = owner is not None and owner.is_active
    was_lost = client.owner_id is not None or client.lost_owner or client.owner_left is not None
    found = step(
        # One that never had an owner waits for none.
        is_owner_here=is_here or not was_lost,
        has_successor=to is not None,
        since=client.owner_left or (now if is_here and client.lost_owner else None),
        is_approved=client.status == Status.APPROVED,
        grace=grace(),
        now=now,
    )
    name = owner.username if owner is not None else client.lost_owner
    match found:
        case Step.KEEP:
            _change(client, owner_left=None, lost_owner="")
            _record(LifecycleEvent.OWNER_RETURNED, client, owner=name)
        case Step.PASS:
            assert to is not None  # noqa: S101  for the type checker
            how = "successor" if to.pk == client.successor_id else "default successor"
            _change(client, owner_left=None, lost_owner="", owner=to, successor=None)
            _record(LifecycleEvent.AGENT_PASSED, client, owner=name, to=to.username, how=how)
            return _Settled(client, found, to)
        case Step.WARN:
            _change(client, owner_left=now)
            _record(LifecycleEvent.OWNER_LEFT, client, owner=name, until=(now + grace()).isoformat())
        case Step.SUSPEND:
            since = client.owner_left.isoformat() if client.owner_left else ""
            _change(client, status=Status.SUSPENDED)
            authorizations.rest([client], now=now)
            because = "its owner has left, and no successor is here"
            _record(
                LifecycleEvent.AGENT_SUSPENDED, client, was=Status.APPROVED, because=because, owner=name, since=since
            )
    return _Settled(client, found)


def _successor(client: Client, people: Mapping[int, User]) -> User | None:
    """The first of those who may inherit it that is here."""
    default = next((user for user in people.values() if user.username == conf.default_successor), None)
    for user in (people.get(client.successor_id or 0), default):
        if user is not None and user.is_active:
            return user
    return None


def _change(client: Client, **columns: object) -> None:
    Client.objects.filter(pk=client.pk).update(**columns)


def _record(event: LifecycleEvent, client: Client, **detail: object) -> None:
    audit.record(event, client_id=client.client_id, detail=detail)


# --- Telling ----------------------------------------------------------------------------------------------------------


def _tell_approvers(kind: Kind, clients: Sequence[Client], now: datetime) -> None:
    """One notice about all of them: many owners may leave at once."""
    if not clients:
        return
    has_ended = kind is Kind.AGENT_SUSPENDED
    what = "suspended: no owner is left" if has_ended else "without an owner"
    then = (
        "Their owners have left, and no successor is here. They get no more tokens until an approver"
        " approves them anew, with an owner."
        if has_ended
        else f"Their owners have left, and no successor is here. Unless they get an owner or a successor, or the owner"
        f" comes back, they are suspended at {now + grace():%Y-%m-%d %H:%M} UTC."
    )
    notifications.tell(
        kind,
        notices.who_approves_agents(approvers.TOLD),
        subject=f"{_counted(clients)} {what}",
        body=f"{then}\n\n{_named(clients)}",
        link=f"{reverse('admin:authz_client_changelist')}?attention=ownerless",
        about=f"agent:{clients[0].pk}" if len(clients) == 1 else "",
        data=_data(clients) | ({} if has_ended else {"until": (now + grace()).isoformat()}),
        now=now,
    )


def _tell_successor(passed: Sequence[_Settled], now: datetime) -> None:
    """One notice to a new owner about all that are theirs now."""
    clients, to = [one.client for one in passed], passed[0].to
    assert to is not None  # noqa: S101  for the type checker
    notifications.tell(
        Kind.AGENT_PASSED,
        [to],
        subject=f"{_counted(clients)} passed to you",
        body="Their owners have left. You are their owner from now on: their approvals are yours to have renewed.\n\n"
        f"{_named(clients)}",
        link=f"{reverse('admin:authz_client_changelist')}?owner__id__exact={to.pk}" if to.is_staff else "/account/",
        about=f"agent:{clients[0].pk}" if len(clients) == 1 else "",
        data=_data(clients) | {"subject": str(to.subject)},
        now=now,
    )


def _data(clients: Sequence[Client]) -> dict[str, object]:
    return {"client_ids": [client.client_id for client in clients]}


def _counted(clients: Sequence[Client]) -> str:
    if len(clients) == 1:
        return notifications.plain(clients[0].name or clients[0].host or clients[0].client_id, 40)
    return f"{len(clients)} agents"


def _named(clients: Sequence[Client]) -> str:
    lines = [f"  {notifications.plain(client.name or client.client_id)}" for client in clients[:NAMED]]
    return "\n".join([*lines, *([f"  … and {len(clients) - NAMED} more"] if len(clients) > NAMED else [])])
