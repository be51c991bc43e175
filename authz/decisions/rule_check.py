"""What stored or proposed rules name and the server does not know (authz/policy/unmatched).

It is a warning, never a refusal: a rule may be written before its agent, group or MCP server exists.
"""

import time
from collections.abc import Iterable, Sequence

from django.contrib.auth.models import Group
from django.db.models import QuerySet

from authz import registry
from authz.decisions import simulation
from authz.models import User
from authz.policy import Agent, Rule, Server
from authz.policy.near_miss import MAXIMUM_COMPARED
from authz.policy.unmatched import Known, Unmatched, unmatched


def check(rules: Iterable[Rule], now: float | None = None) -> dict[str, tuple[Unmatched, ...]]:
    """By name, what each rule that is switched on names in vain; rules that name nothing in vain are not in it."""
    enabled = [rule for rule in rules if rule.enabled]
    known = _known(enabled) if enabled else None
    moment = time.time() if now is None else now
    found = {rule.name: unmatched(rule, known, moment) for rule in enabled if known is not None}
    return {name: parts for name, parts in found.items() if parts}


def sentence(part: Unmatched) -> str:
    """What to tell the author, such as `clients[0] “nightly-reprot”: There is no agent …`."""
    return f"{part.field}{f' “{part.value}”' if part.value else ''}: {part.problem}"


def as_item(part: Unmatched) -> dict[str, str]:
    """The same for programs."""
    return {"field": part.field, "value": part.value, "problem": part.problem, "suggestion": part.suggestion}


def _known(rules: Sequence[Rule]) -> Known:
    users = {name for rule in rules for name in (*(rule.users or ()), *_approving(rule, "users"))}
    groups = {name for rule in rules for name in (*(rule.groups or ()), *_approving(rule, "groups"))}
    agents, servers = _agents_and_servers()
    return Known(
        agents=agents,
        servers=servers,
        users=_names(User.objects.order_by("username").values_list("username", flat=True), "username", users),
        groups=_names(Group.objects.order_by("name").values_list("name", flat=True), "name", groups),
        hosts=registry.introducing_hosts(),
        grant_types=[*registry.grants(), "refresh_token"],
    )


def _approving(rule: Rule, field: str) -> tuple[str, ...]:
    return getattr(rule.approvers, field) if rule.approvers is not None else ()


def _agents_and_servers() -> tuple[Sequence[Agent], Sequence[Server]]:
    agents = simulation.agents("", time.time())
    return agents, simulation.servers("", agents)


def _names(rows: "QuerySet[User, str] | QuerySet[Group, str]", column: str, named: set[str]) -> set[str]:
    """Those of the names that exist; where one does not, also others that may have been meant."""
    wanted = named - {"*"}
    existing = set(rows.filter(**{f"{column}__in": wanted})) if wanted else set()
    return existing if existing >= wanted else existing | set(rows[:MAXIMUM_COMPARED])
