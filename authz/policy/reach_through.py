"""What is reached through others: an agent calls a server, which passes the call on to the next one, and so on.

    through(rules, agents, persons, Connected(…), now=now, hops=3)

Each hop is decided as an exchange is (RFC 8693): the client that the server is asks, through all before it, for what
the mapping of the server before gives. Agents that the same rules match are looked at once, and a hop that no rule can
allow is not looked at, so what it costs follows the rules with `through`, and not the agents. It is bounded all the
same: `is_complete` says whether everything was looked at.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from authz.policy.clients import actor_keys
from authz.policy.compiled import RuleSet, union
from authz.policy.question import Actor, ClientKind, ClientStatus
from authz.policy.reach import Agent, Person, Reach, Server, Within, agent_keys, judged, question_of, reach
from authz.policy.rules import Effect

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  an identifier, not a secret
# Scopes of hops that are decided, at most.
MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """What a server passes on: as which clients, and for each next server what a scope held here is good for there."""

    clients: frozenset[str]
    scopes: Mapping[str, Mapping[str, Collection[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """All servers there are, what each passes on (by its identifier), and the clients that do it."""

    servers: Sequence[Server]
    passing: Mapping[str, Passing]
    exchangers: Sequence[Agent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """`client_id` passes on what it was given for `resource`; `rules` are those that let it."""

    resource: str
    client_id: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Through:
    """What is reached at the end of a path: `reach.clients` are the agents at its beginning, `reach.resource` is the
    server at its end, and `path` has what is between, the first hop first.
    """

    reach: Reach
    path: tuple[Hop, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughOthers:
    rows: tuple[Through, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A token that may be held: whose, where, how each scope came about, and the way there."""

    root: Reach
    person: Person | None
    actors: tuple[Actor, ...]
    resource: str
    authorization_server: str = ""
    scopes: Mapping[str, Within]
    path: tuple[Hop, ...] = ()


def through(
    rules: RuleSet,
    agents: Iterable[Agent],
    persons: Iterable[Person],
    connected: Connected,
    *,
    now: float,
    hops: int,
    machines: bool = True,
    most: int = MOST,
) -> ThroughOthers:
    """What these agents reach for these persons through others, at most so many hops away.

    machines     whether what agents reach for themselves is looked at, too.
    """
    servers, passing = connected.servers, connected.passing
    by_id = {agent.client_id: agent for agent in connected.exchangers if _may_exchange(agent)}
    people = {person.username: person for person in persons}
    first = [server for server in servers if server.identifier in passing and not server.authorization_server]
    held = list(_roots(rules, agents, people, first, now, machines=machines))
    rows: list[Through] = []
    looked = 0
    for _ in range(hops):
        following: list[_Held] = []
        for one in held:
            for exchanger, server in _next(one, servers, passing, by_id):
                if not _may_be_allowed(rules, one, exchanger, server):
                    continue
                if looked >= most:
                    return ThroughOthers(rows=tuple(rows), is_complete=False)
                looked += len(server.scopes)
                found = _passed_on(rules, one, exchanger, server, here=passing[one.resource], now=now)
                if found is not None:
                    rows.append(_row(found))
                    following.append(found)
        held = [one for one in following if one.resource in passing]
    return ThroughOthers(rows=tuple(rows), is_complete=True)


def _may_exchange(agent: Agent) -> bool:
    """Approved, registered for it, and with something to prove with that it is itself."""
    proves = not agent.is_public or agent.kind == ClientKind.WORKLOAD
    return agent.status == ClientStatus.APPROVED and TOKEN_EXCHANGE in agent.grant_types and proves


def _roots(
    rules: RuleSet, agents: Iterable[Agent], people: Mapping[str, Person], first: Sequence[Server], now: float, *,
    machines: bool,
) -> Iterator[_Held]:  # fmt: skip
    """What the agents hold themselves; those that other rules name in `through` are apart."""
    apart: dict[int, list[Agent]] = defaultdict(list)
    for agent in agents:
        apart[union(rules.through, agent_keys(agent))].append(agent)
    for alike in apart.values():
        by_id = {agent.client_id: agent for agent in alike}
        for row in reach(rules, alike, people.values(), first, now, machines=machines):
            subject = row.subjects[0]
            yield _Held(
                root=row,
                person=None if subject is None else people[subject],
                actors=(_actor(by_id[row.clients[0]]),),
                resource=row.resource,
                scopes={
                    **dict.fromkeys(row.waiting, Within.WAITING),
                    **dict.fromkeys(row.conditional, Within.CONDITIONAL),
                    **dict.fromkeys(row.scopes, Within.GRANTED),
                },
            )


def _actor(agent: Agent) -> Actor:
    return Actor(
        client_id=agent.client_id,
        kind=agent.kind,
        host=agent.host,
        tags=agent.tags,
        owner=agent.owner,
        environment=agent.environment,
    )


def _next(
    held: _Held, servers: Sequence[Server], passing: Mapping[str, Passing], exchangers: Mapping[str, Agent]
) -> Iterator[tuple[Agent, Server]]:
    """Who could pass it on, and where to: no client and no server comes twice."""
    here = passing[held.resource]
    before = {hop.client_id for hop in held.path}
    passed = {held.root.resource, held.resource, *(hop.resource for hop in held.path)}
    for server in servers:
        if server.identifier not in here.scopes or server.identifier in passed:
            continue
        # An ID-JAG is for a person.
        if server.authorization_server and held.person is None:
            continue
        for client_id in sorted(here.clients & exchangers.keys()):
            there = server.clients is None or client_id in server.clients
            # Of several agents at the beginning one may be the exchanger itself: it is left out of that row.
            if there and client_id not in before and held.root.clients != (client_id,):
                yield exchangers[client_id], server


def _may_be_allowed(rules: RuleSet, held: _Held, exchanger: Agent, server: Server) -> bool:
    """Whether any rule could let it, by the agent, the person, the path and the server."""
    person = held.person
    bits = rules.rules_for_resource(server.identifier) & union(rules.clients, agent_keys(exchanger))
    bits &= rules.machines if person is None else rules.rules_for_person(person.username, person.groups)
    allowing = bits & rules.effects[Effect.ALLOW]
    for actor in held.actors:
        allowing &= union(rules.through, actor_keys(actor))
    return bool(allowing | bits & rules.effects[Effect.REQUIRE_APPROVAL])


def _passed_on(
    rules: RuleSet, held: _Held, exchanger: Agent, server: Server, *, here: Passing, now: float
) -> _Held | None:
    given: dict[str, Within] = {}
    for held_scope, within in held.scopes.items():
        for name in here.scopes[server.identifier].get(held_scope, ()):
            given[name] = max(within, given.get(name, Within.NOTHING))
    asked = replace(question_of(exchanger, held.person, server, TOKEN_EXCHANGE), through=held.actors)
    scopes: dict[str, Within] = {}
    letting: dict[str, None] = {}
    for scope in server.scopes:
        if scope[0] in given:
            reached, named = judged(replace(asked, scopes=(scope,)), rules, now)
            if reached is not Within.NOTHING:
                scopes[scope[0]] = min(reached, given[scope[0]])
                letting |= dict.fromkeys(named)
    if not scopes:
        return None
    clients = tuple(client_id for client_id in held.root.clients if client_id != exchanger.client_id)
    return _Held(
        root=replace(held.root, clients=clients),
        person=held.person,
        actors=(*held.actors, _actor(exchanger)),
        resource=server.identifier,
        authorization_server=server.authorization_server,
        scopes=scopes,
        path=(*held.path, Hop(resource=held.resource, client_id=exchanger.client_id, rules=tuple(letting))),
    )


def _row(held: _Held) -> Through:
    def names(within: Within) -> tuple[str, ...]:
        return tuple(name for name, found in held.scopes.items() if found is within)

    found = replace(
        held.root,
        resource=held.resource,
        authorization_server=held.authorization_server,
        grant_types=(TOKEN_EXCHANGE,),
        scopes=names(Within.GRANTED),
        waiting=names(Within.WAITING),
        conditional=names(Within.CONDITIONAL),
    )
    return Through(reach=found, path=held.path)
