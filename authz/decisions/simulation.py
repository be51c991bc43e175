"""What other rules would change before they are saved: who gains and who loses, over all agents, people and
MCP servers; those too that stand behind other authorization servers, for which this one issues ID-JAGs.

Approvals count for nothing here: what waits for a human is said to wait.
"""

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import QuerySet, TextField, functions

from authz import registry, resources
from authz.models import Client, ProtectedResource, Rule, User
from authz.models.client import JWT_BEARER, host_of, kind_of, state_of
from authz.models.protected_resource import asks_before_calls
from authz.policy import Agent, ClientKind, ClientStatus, Person, RuleSet, Server, ToolCall, near_miss, reach
from authz.policy import Rule as PolicyRule


class Level(StrEnum):
    """How a scope is in reach, from the least to the most."""

    NOTHING = "nothing"
    WAITING = "after an approval"
    CONDITIONAL = "after the right sign-in, from the right network, at the right time, for some tools"
    GRANTED = "now"


_ORDER = tuple(Level)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Shift:
    """One scope whose reach differs. `subject` is "" where the agent acts for itself; `authorization_server` is the
    issuer of the other one that the resource stands behind, or "". `tool` is "" where a token is meant, and no call.
    """

    client_id: str
    subject: str
    resource: str
    authorization_server: str
    grant_type: str
    scope: str
    before: Level
    after: Level
    tool: str = ""

    @property
    def gains(self) -> bool:
        return _ORDER.index(self.after) > _ORDER.index(self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who and what is looked at."""

    agents: Sequence[Agent]
    persons: Sequence[Person]
    servers: Sequence[Server]


class Unknown(Exception):
    """No agent, person or server has this name, in words for the person who asked."""


def cast(*, client_id: str = "", username: str = "", resource: str = "") -> Cast:
    """All agents, people and servers; or only this agent, this person, this server. Raises `Unknown`."""
    acting = agents(client_id, time.time())
    found = Cast(agents=acting, persons=persons([username] if username else None), servers=servers(resource, acting))
    # For an empty selection every question would be answered by "nothing", a misspelt one too.
    for name, rows in ((client_id, found.agents), (username, found.persons), (resource, found.servers)):
        if name and not rows:
            raise Unknown(f"There is no {name!r}, or it is switched off.{_meant(name)}")
    return found


def _meant(name: str) -> str:
    """The agent, person or server that was probably meant."""
    most = near_miss.MAXIMUM_COMPARED
    servers = ProtectedResource.objects.filter(is_active=True).values_list("identifier", flat=True)[:most]
    if address := near_miss.nearest_address(name, list(servers)):
        return near_miss.did_you_mean(address)
    agents = Client.objects.values_list("client_id", flat=True)[:most]
    persons = User.objects.filter(is_active=True).values_list("username", flat=True)[:most]
    return near_miss.did_you_mean(near_miss.nearest(name, [*agents, *persons]))


def servers(resource: str, acting: Sequence[Agent]) -> list[Server]:
    """All there are, or this one; the same can be ours and stand behind others. `acting` are those whose way there is
    of interest.
    """
    others = registry.servers_elsewhere(acting)
    return [*_own(resource), *(server for server in others if not resource or server.identifier == resource)]


def facts_of(resource: str) -> Mapping[str, Any]:
    """What a question says of a resource besides its scopes; of another authorization server's little is known."""
    own = resources.cached().get(resource)
    return {"labels": None} if own is None else resources.cached_facts_of(own)


def _own(resource: str) -> list[Server]:
    rows = (
        ProtectedResource.objects.filter(is_active=True)
        .annotate(asks=asks_before_calls())
        .prefetch_related("scopes")
        .order_by("identifier")
    )
    rows = rows.filter(identifier=resource) if resource else rows
    grant_types = registry.grants_leading_here()
    return [
        Server(
            identifier=row.identifier,
            scopes=tuple((scope.name, scope.sensitivity) for scope in row.scopes.all()),
            grant_types=grant_types,
            tools=tuple(tool["name"] for tool in row.tools),
            **resources.facts_of_resource(row, asks_before_calls=row.asks),
        )
        for row in rows
    ]


def agents(client_id: str, now: float) -> list[Agent]:
    """All of them, or this one."""
    return _agents(Client.objects.filter(client_id=client_id) if client_id else Client.objects.all(), now)


def agents_by_pk(pks: Collection[int], now: float) -> list[Agent]:
    """These."""
    return _agents(Client.objects.filter(pk__in=pks), now)


def _agents(rows: QuerySet[Client], now: float) -> list[Agent]:
    """As tuples: of ten thousand agents, making the models would take longer than all the rest. Their lists come as
    text, since few differ, and each that differs is read once."""
    columns = rows.order_by("client_id").values_list(
        *("client_id", "status", "approved_until", "registration_source", "token_endpoint_auth_method"),
        *(functions.Cast("grant_types", TextField()), functions.Cast("tags", TextField())),
        *("environment", "owner__username"),
    )
    names = cache(lambda text: tuple(json.loads(text)))
    standing = cache(lambda status, until: ClientStatus(state_of(status, until, now)))
    kind = cache(lambda source, auth_method, grants: ClientKind(kind_of(source, auth_method, names(grants))))
    usable = cache(_usable)
    return [
        Agent(
            client_id=client_id,
            status=standing(status, until),
            kind=kind(source, auth_method, grants),
            host=host_of(source, client_id),
            tags=names(tags),
            owner=owner or "",
            environment=environment,
            grant_types=usable(names(grants), source, auth_method, host_of(source, client_id)),
            is_public=auth_method == registry.PUBLIC,
        )
        for client_id, status, until, source, auth_method, grants, tags, environment, owner in columns
    ]


def _usable(grants: tuple[str, ...], source: str, auth_method: str, host: str) -> tuple[str, ...]:
    """Without a secret a document redeems identity assertions only while an administrator names its host."""
    if source != Client.RegistrationSource.CIMD or auth_method != registry.PUBLIC or JWT_BEARER not in grants:
        return grants
    given = registry.public_grants(host)
    return tuple(grant for grant in grants if grant != JWT_BEARER or grant in given)


def persons(usernames: Collection[str] | None) -> list[Person]:
    """Those of these names, with their groups; None: all people."""
    users = User.objects.filter(is_active=True)
    users = users if usernames is None else users.filter(username__in=usernames)
    rows = users.order_by("username", "groups__name").values_list("username", "groups__name")
    return [
        Person(username=name, groups=tuple(group for _, group in of_one if group is not None))
        for name, of_one in groupby(rows, key=itemgetter(0))
    ]


def proposed(given: Iterable[PolicyRule], *, prune: bool) -> list[PolicyRule]:
    """The rules as `apply` would leave them: those given stand in for others of the same name, or for all."""
    by_name = {} if prune else current()
    by_name.update({rule.name: rule for rule in given})
    return list(by_name.values())


def current() -> dict[str, PolicyRule]:
    """The stored rules by name, those that are switched off too."""
    return {
        row.name: PolicyRule.from_mapping(
            {"name": row.name, "effect": row.effect, "enabled": row.enabled, **row.definition}
        )
        for row in Rule.objects.order_by("id")
    }


def with_calls(among: Cast, *sets: RuleSet) -> Cast:
    """Beside tokens, where rules speak of calls, a call of each tool that a server which asks before calls lists, or
    that a rule names. For a pattern stands a name that it means.
    """
    if not any(rules.speaks_of_calls for rules in sets):
        return among
    named = {name for rules in sets for rule in rules.rules for name in rule.tools or ()}
    calls = [
        replace(server, tool=ToolCall(name=name, labels=resources.labels_of_tool(row, name)))
        for server in among.servers
        if server.asks_before_calls and (row := resources.cached().get(server.identifier)) is not None
        for name in sorted({_example(pattern) for pattern in (*named, *server.tools)})
    ]
    return replace(among, servers=[*among.servers, *calls])


def _example(pattern: str) -> str:
    return f"{pattern[:-1]}any_other" if pattern.endswith("*") else pattern


def shifts(old: RuleSet, new: RuleSet, among: Cast, now: float) -> list[Shift]:
    """Each scope whose reach would change, in order."""
    before, after = _levels(old, among, now), _levels(new, among, now)
    return sorted(
        Shift(
            client_id=key[0],
            subject=key[1],
            resource=key[2],
            authorization_server=key[3],
            grant_type=key[4],
            scope=key[5],
            tool=key[6],
            before=before.get(key, Level.NOTHING),
            after=after.get(key, Level.NOTHING),
        )
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    )


# client_id, subject, resource, authorization_server, grant_type, scope, tool
_Key = tuple[str, str, str, str, str, str, str]


def _levels(rules: RuleSet, among: Cast, now: float) -> Mapping[_Key, Level]:
    found: dict[_Key, Level] = {}
    for row in reach(rules, among.agents, among.persons, among.servers, now):
        levels = {
            **dict.fromkeys(row.waiting, Level.WAITING),
            **dict.fromkeys(row.conditional, Level.CONDITIONAL),
            **dict.fromkeys(row.scopes, Level.GRANTED),
        }
        for client_id in row.clients:
            for subject in row.subjects:
                for grant_type in row.grant_types:
                    for scope, level in levels.items():
                        where = row.resource, row.authorization_server
                        found[(client_id, subject or "", *where, grant_type, scope, row.tool)] = level
    return found
