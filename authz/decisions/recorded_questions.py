"""Real requests, read back from the audit, to test a change of the rules before it is saved.

An event with its question (`detail.ask`) has the request of that time. For an older event, and
for groups that no rule named then, today's rows are used.

A million events are too many to read in one request, so a bounded number is read: runs of neighbours, evenly spread
over the time, each found by its primary key.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db.models import Max

from authz import audit
from authz.audit import queries
from authz.conf import conf
from authz.models import AuditEvent, Client, ProtectedResource, User
from authz.models.protected_resource import asks_before_calls
from authz.policy import (
    AccessQuestion,
    ChangedDecision,
    ClientKind,
    ClientStatus,
    Decision,
    Direction,
    Outcome,
    RuleSet,
    compare,
    question_from,
)
from authz.resources import facts_of_resource

MAX_EVENTS_READ = 20_000
RUN = 200
# Runs that are judged together, for which today's rows are read once.
TOGETHER = 10
SECONDS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Today's rows, for what events don't say themselves."""

    clients: Mapping[str, Client]
    users: Mapping[str, User]
    sensitivities: Mapping[str, Mapping[str, str]]
    resources: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, events: Sequence[AuditEvent]) -> "Known":
        """The rows that these events speak of: a statement for each kind and five hundred."""
        clients = {row.client_id: row for row in _in_bulk(Client, "client_id", {e.client_id for e in events})}
        # Groups are asked for by the username too: a refusal names no subject.
        people = _in_bulk(User, "subject", {e.subject for e in events if len(e.subject) == 36})
        named = _in_bulk(User, "username", {str(e.detail.get("ask", {}).get("user", "")) for e in events})
        users = {key: user for user in (*people, *named) for key in (str(user.subject), user.username)}
        rows = ProtectedResource.all_objects.annotate(asks=asks_before_calls()).prefetch_related("scopes")
        sensitivities = {row.identifier: {s.name: s.sensitivity for s in row.scopes.all()} for row in rows}
        facts = {row.identifier: facts_of_resource(row, asks_before_calls=row.asks) for row in rows}
        return cls(clients=clients, users=users, sensitivities=sensitivities, resources=facts)


def _in_bulk(model: Any, column: str, values: set[str]) -> list[Any]:
    found: list[Any] = []
    wanted = sorted(values - {""})
    for start in range(0, len(wanted), 500):
        rows = model.all_objects.filter(**{f"{column}__in": wanted[start : start + 500]})
        found += rows.prefetch_related("groups") if model is User else rows.select_related("owner")
    return found


def ask_of(event: AuditEvent, known: Known) -> AccessQuestion | None:
    """What policy was asked when this was recorded; None if it was not asked."""
    resource = event.resource or str(event.detail.get("resource", ""))
    # A token that only signs a person in is one for this server itself.
    resource = "" if resource == conf.endpoint("userinfo") else resource
    facts = event.detail.get("ask")
    if facts is not None:
        return question_from(facts, client_id=event.client_id, resource=resource, address=event.address)
    if event.event != audit.Event.TOKEN_ISSUED.value:
        return None
    client, user = known.clients.get(event.client_id), known.users.get(event.subject)
    if client is None or (event.subject and user is None):
        return None
    grant_type = str(event.detail.get("grant_type", ""))
    sensitivities = known.sensitivities.get(resource, {})
    return AccessQuestion(
        client_id=client.client_id,
        client_status=ClientStatus.APPROVED,
        client_kind=ClientKind(client.kind),
        client_host=client.host,
        client_tags=tuple(client.tags),
        client_owner=client.owner.username if client.owner else "",
        client_environment=client.environment,
        subject=user.username if user else None,
        groups=tuple(group.name for group in user.groups.all()) if user else (),
        # Only people's authorizations are refreshed.
        grant_type="authorization_code" if grant_type == "refresh_token" else grant_type,
        refresh=grant_type == "refresh_token",
        resource=resource,
        scopes=tuple((name, sensitivities.get(name, "")) for name in str(event.detail.get("scope", "")).split()),
        auth_time=event.time.timestamp() if user else None,
        address=event.address or None,
    )


# --- Trying other rules on them -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Past questions of one agent, for one person (or itself), at one MCP server, that changed in the same way.

    before, after  the answers, in words.
    tool           the tool of a call; "" for a token.
    last           when the latest of them was put.
    """

    client_id: str
    subject: str
    resource: str
    direction: Direction
    before: str
    after: str
    count: int
    last: datetime
    tool: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What other rules would have changed. `events` were looked at, of about `total` in `days` days; `questions` of
    them put a question to the rules, and `calls` of these were about a call of a tool.

    unknown     how many calls can't be judged, since rules depend on arguments that the audit doesn't have.
    unrecorded  the members of arguments that these would need.
    """

    groups: tuple[Group, ...]
    questions: int
    calls: int
    unknown: int
    unrecorded: tuple[str, ...]
    events: int
    total: int
    days: int
    is_complete: bool

    @property
    def changed(self) -> int:
        return sum(group.count for group in self.groups)

    @property
    def looked_at(self) -> str:
        """In a sentence, how much was looked at."""
        calls = f" ({self.calls:,} of them calls of tools)" if self.calls else ""
        if self.is_complete:
            return f"All {self.questions:,} requests{calls} of the last {self.days} days were looked at."
        return (
            f"{self.questions:,} requests{calls} were looked at, from {self.events:,} of about {self.total:,} events of"
            f" the last {self.days} days, evenly spread; the counts are of those."
        )

    @property
    def left_unknown(self) -> str:
        """In a sentence, what can't be known; "" if there is none."""
        if not self.unknown:
            return ""
        what = "1 call" if self.unknown == 1 else f"{self.unknown:,} calls"
        named = ", ".join(self.unrecorded)
        return (
            f"Of {what} it can't be known: rules depend on arguments that the audit does not have ({named})."
            " An MCP server's shown_arguments say which ones it keeps."
        )


def impact(
    old: RuleSet,
    new: RuleSet,
    *,
    days: int,
    now: datetime,
    asked_after: Callable[[AccessQuestion], AccessQuestion] | None = None,
    seconds: float = SECONDS,
) -> Impact:
    """What the new rules would have changed over the last days, in about so many seconds. `asked_after` is how they are
    asked where names change, too (authz/policy/renaming.py)."""
    deadline = time.monotonic() + seconds
    since = now - timedelta(days=days)
    runs, total = _runs(since)
    questions = calls = looked_at = done = 0
    changes: list[ChangedDecision] = []
    while done < len(runs) and (not done or time.monotonic() < deadline):
        events = _read(runs[done : done + TOGETHER], since)
        known = Known.of(events)
        found = [(question, event.time.timestamp()) for event in events if (question := _with_today(event, known))]
        changes += compare(old, new, found, now.timestamp(), asked_after=asked_after)
        calls += sum(question.tool is not None for question, _ in found)
        questions, looked_at, done = questions + len(found), looked_at + len(events), done + TOGETHER
    unknown = [change.unrecorded for change in changes if change.direction is Direction.UNKNOWN]
    is_complete = total <= MAX_EVENTS_READ and done >= len(runs)
    return Impact(
        groups=_grouped(change for change in changes if change.direction is not Direction.UNKNOWN),
        questions=questions,
        calls=calls,
        unknown=len(unknown),
        unrecorded=tuple(sorted(frozenset[str]().union(*unknown))),
        events=looked_at,
        total=total,
        days=days,
        is_complete=is_complete,
    )


def _runs(since: datetime) -> tuple[list[tuple[int, int]], int]:
    """The (first, last) ids of runs that together have at most `MAX_EVENTS_READ` events, and about how many there are
    at all.

    They stand in no order, so that wherever the time ends, what was read is evenly spread.
    """
    first, newest = queries.first_id(since), AuditEvent.objects.aggregate(newest=Max("id"))["newest"]
    if newest is None or newest < first:
        return [], 0
    ids = AuditEvent.objects.filter(id__gte=first).order_by("id").values_list("id", flat=True)
    few = list(ids[: MAX_EVENTS_READ + 1])
    if len(few) <= MAX_EVENTS_READ:
        # Their number is known: ids have gaps, where transactions were rolled back and events were archived.
        return [(run[0], run[-1]) for run in (few[start : start + RUN] for start in range(0, len(few), RUN))], len(few)
    total = newest - first + 1
    count = min(-(-total // RUN), MAX_EVENTS_READ // RUN)
    bounds = [newest - run * total // count for run in range(count + 1)]
    runs = [(max(following + 1, last - RUN + 1), last) for last, following in pairwise(bounds)]
    random.Random(0).shuffle(runs)  # noqa: S311  the same each time
    return runs, total


def _read(runs: Iterable[tuple[int, int]], since: datetime) -> list[AuditEvent]:
    events: list[AuditEvent] = []
    for first, last in runs:
        events += AuditEvent.objects.filter(id__gte=first, id__lte=last, time__gte=since).order_by("-id")
    return events


def _with_today(event: AuditEvent, known: Known) -> AccessQuestion | None:
    """The question, with the groups that the person is in today: of then, only those that rules named are on record.
    The labels are today's, too: a server is labelled because of what it has always been.
    """
    question = ask_of(event, known)
    if question is not None and question.resource in known.resources:
        question = replace(question, **known.resources[question.resource])
    if question is None or question.subject is None or question.subject not in known.users:
        return question
    today = [group.name for group in known.users[question.subject].groups.all()]
    return replace(question, groups=tuple(dict.fromkeys([*question.groups, *today])))


def _grouped(changes: Iterable[ChangedDecision]) -> tuple[Group, ...]:
    """Alike changes together, the most frequent first."""
    alike: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for change in changes:
        question = change.question
        tool = question.tool.name if question.tool else ""
        key = (question.client_id, question.subject or "", question.resource, tool, change.direction)
        alike[(*key, in_words(change.before), in_words(change.after))].append(change.at)
    found = [
        Group(
            client_id=client_id,
            subject=subject,
            resource=resource,
            tool=tool,
            direction=direction,
            before=before,
            after=after,
            count=len(times),
            last=datetime.fromtimestamp(max(times), UTC),
        )
        for (client_id, subject, resource, tool, direction, before, after), times in alike.items()
    ]
    return tuple(sorted(found, key=lambda group: (-group.count, group.client_id, group.subject, group.resource)))


def in_words(decision: Decision) -> str:
    """A decision in a few words: `granted read, write`, `waits: write`, `refused (no rule allows)`; of a call
    `allowed`, `waits`.
    """
    if decision.question is not None and decision.question.tool is not None and decision.effect is not Outcome.DENY:
        return "allowed" if decision.effect is Outcome.ALLOW else "waits"
    if decision.effect is Outcome.ALLOW:
        lifetime = f", {decision.lifetime} s at most" if decision.lifetime is not None else ""
        return f"granted {', '.join(decision.scopes)}{lifetime}"
    if decision.effect is Outcome.PENDING:
        return f"waits: {', '.join(decision.waiting)}"
    return f"refused ({decision.reason.replace('_', ' ')})"
