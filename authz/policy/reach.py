"""Who can reach what: over many agents, persons and servers at once.

    reach(rules, agents, persons, [server], now)     who can reach this server, through which agents, with which scopes?
    reach(rules, [agent], persons, servers, now)     what can this agent reach, and for which persons?

Agents that the same rules match get the same answer, and so do persons; each such class is decided once, so ten
thousand agents cost as much as there are differences between them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from authz.policy.approvals import Approval
from authz.policy.clients import keys_of
from authz.policy.compiled import RuleSet, union
from authz.policy.decide import decide, evaluate
from authz.policy.decision import Outcome
from authz.policy.question import AccessQuestion, ClientKind, ClientStatus
from authz.policy.rules import Effect
from authz.policy.tool_calls import ToolCall


class Within(IntEnum):
    """How a scope is in reach, from the least to the most: the lists of `Reach`."""

    NOTHING = 0
    WAITING = 1
    CONDITIONAL = 2
    GRANTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A client as its row says; the fields are those of `AccessQuestion`.

    grant_types   those it is registered for.
    is_public     whether it has nothing to prove with that it is itself (RFC 6749 §2.1).
    """

    client_id: str
    status: ClientStatus
    kind: ClientKind
    host: str = ""
    tags: tuple[str, ...] = ()
    owner: str = ""
    environment: str = ""
    grant_types: tuple[str, ...]
    is_public: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    username: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A protected resource.

    scopes                (name, sensitivity) of all it has; sensitivity "" if it isn't known.
    authorization_server  the issuer of the other authorization server that it stands behind; "" for this one's own.
    behind                what people call that authorization server; "" if they call it nothing.
    grant_types           the grants that lead there; None: every one.
    clients               the clients that can come there at all; None: every one.
    labels, scope_labels, tool_labels, asks_before_calls   as in `AccessQuestion`.
    tools                 the names and patterns of its tools; empty where they aren't listed.
    tool                  looked at is a call of this tool, with arguments that aren't known; None: a token.
    """

    identifier: str
    scopes: tuple[tuple[str, str], ...]
    authorization_server: str = ""
    behind: str = ""
    grant_types: frozenset[str] | None = None
    clients: frozenset[str] | None = None
    labels: tuple[str, ...] | None = ()
    scope_labels: tuple[tuple[str, str], ...] = ()
    tool_labels: tuple[str, ...] = ()
    asks_before_calls: bool = False
    tools: tuple[str, ...] = ()
    tool: ToolCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Any of these clients, for any of these subjects (None: for itself), at this server, by any of these grants.
    `resource`, `authorization_server` and `tool` (its name, or "") are those of `Server`.

    scopes        granted now, whatever the sign-in, the network and the tool that is called.
    waiting       granted once an approver approves, at best.
    conditional   granted at best, without an approval: after the right sign-in, from the right network, at the right
                  time, or for some calls of tools. Each condition is judged by itself, so this is rather too much than
                  too little.
    """

    clients: tuple[str, ...]
    subjects: tuple[str | None, ...]
    resource: str
    authorization_server: str = ""
    grant_types: tuple[str, ...]
    scopes: tuple[str, ...]
    waiting: tuple[str, ...]
    conditional: tuple[str, ...]
    tool: str = ""


def reach(
    rules: RuleSet,
    agents: Iterable[Agent],
    persons: Iterable[Person],
    servers: Sequence[Server],
    now: float,
    *,
    approvals: Sequence[Approval] = (),
    machines: bool = True,
) -> tuple[Reach, ...]:
    """What is in reach, a row for each class of agents, class of subjects and server. No row: out of reach.

    machines   whether what agents reach for themselves is looked at, too.
    """
    rows: list[Reach] = []
    agent_classes = _agent_classes(rules, agents, approvals)
    subject_classes = _subject_classes(rules, persons, approvals, machines)
    permitting = rules.effects[Effect.ALLOW] | rules.effects[Effect.REQUIRE_APPROVAL]
    there = [(server, permitting & rules.rules_for_resource(server.identifier)) for server in servers]
    for (agent_bits, *_), alike in agent_classes.items():
        for (subject_bits, _), subjects in subject_classes.items():
            both = agent_bits & subject_bits
            for server, permitting_there in there:
                if both & permitting_there:
                    rows.extend(_rows(rules, alike, subjects, server, now=now, approvals=approvals))
    return tuple(rows)


def _agent_classes(
    rules: RuleSet, agents: Iterable[Agent], approvals: Sequence[Approval]
) -> dict[tuple[int, str, tuple[str, ...], str], list[Agent]]:
    """Approved agents by what decisions on them may depend on; who has an approval is alone."""
    approved = {approval.client_id for approval in approvals}
    classes: dict[tuple[int, str, tuple[str, ...], str], list[Agent]] = defaultdict(list)
    for agent in agents:
        if agent.status == ClientStatus.APPROVED:
            # Not by way of a question: there may be ten thousand agents.
            bits = union(rules.clients, agent_keys(agent))
            alone = agent.client_id if agent.client_id in approved else ""
            classes[(bits, agent.environment, tuple(sorted(agent.grant_types)), alone)].append(agent)
    return classes


def agent_keys(agent: Agent) -> list[str]:
    """The keys under which rules find it (`clients.py`)."""
    return keys_of(
        client_id=agent.client_id,
        kind=agent.kind,
        host=agent.host,
        tags=agent.tags,
        owner=agent.owner,
        environment=agent.environment,
    )


def _subject_classes(
    rules: RuleSet, persons: Iterable[Person], approvals: Sequence[Approval], machines: bool
) -> dict[tuple[int, str], list[Person | None]]:
    approved = {approval.subject for approval in approvals}
    classes: dict[tuple[int, str], list[Person | None]] = defaultdict(list)
    if machines:
        classes[(rules.machines, "machines")].append(None)
    for person in persons:
        bits = rules.rules_for_person(person.username, person.groups)
        alone = f"person {person.username}" if person.username in approved else "persons"
        classes[(bits, alone)].append(person)
    return classes


def _rows(
    rules: RuleSet,
    alike: list[Agent],
    subjects: list[Person | None],
    server: Server,
    *,
    now: float,
    approvals: Sequence[Approval],
) -> Iterator[Reach]:
    """The rows of one class of agents and one class of subjects at one server: one for each answer, with the grants
    that get it."""
    if server.clients is not None:
        alike = [agent for agent in alike if agent.client_id in server.clients]
    if not alike:
        return
    agent, subject = alike[0], subjects[0]
    by_answer: dict[tuple[tuple[str, ...], ...], list[str]] = defaultdict(list)
    for grant_type in _grants(agent, subject, server):
        question = question_of(agent, subject, server, grant_type)
        by_answer[_answer(question, rules, server, now, approvals)].append(grant_type)
    for (scopes, waiting, conditional), grant_types in by_answer.items():
        if scopes or waiting or conditional:
            yield Reach(
                clients=tuple(sorted(each.client_id for each in alike)),
                subjects=tuple(None if each is None else each.username for each in subjects),
                resource=server.identifier,
                authorization_server=server.authorization_server,
                grant_types=tuple(grant_types),
                scopes=scopes,
                waiting=waiting,
                conditional=conditional,
                tool=server.tool.name if server.tool else "",
            )


def _answer(
    question: AccessQuestion, rules: RuleSet, server: Server, now: float, approvals: Sequence[Approval]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(granted, waiting, granted at best): each scope asked for by itself, so that none waits for another."""
    found: dict[Within, list[str]] = defaultdict(list)
    for scope in server.scopes:
        within, _ = judged(replace(question, scopes=(scope,)), rules, now, approvals)
        found[within].append(scope[0])
    return tuple(found[Within.GRANTED]), tuple(found[Within.WAITING]), tuple(found[Within.CONDITIONAL])


def judged(
    single: AccessQuestion, rules: RuleSet, now: float, approvals: Sequence[Approval] = ()
) -> tuple[Within, tuple[str, ...]]:
    """How a single scope is in reach, and the rules that make it so."""
    # A token that would be good for every call.
    decision = decide(replace(single, asks_before_calls=False), rules, now, approvals)
    if decision.effect is Outcome.ALLOW:
        return Within.GRANTED, decision.rules
    # Also of what would wait now: who gets around the approval from another network must be seen.
    decision = evaluate(single, rules, now, approvals, in_force_at=now, best_case=True)
    within = {Outcome.ALLOW: Within.CONDITIONAL, Outcome.PENDING: Within.WAITING}.get(decision.effect, Within.NOTHING)
    return within, decision.rules


def _grants(agent: Agent, subject: Person | None, server: Server) -> list[str]:
    """The grants by which such a subject can come there; a refresh only goes on with one of them."""
    others = OF_PERSONS if subject is None else ("client_credentials",)
    return [
        name
        for name in sorted(agent.grant_types)
        if name not in (*others, "refresh_token") and (server.grant_types is None or name in server.grant_types)
    ]


# By these no agent comes for itself.
OF_PERSONS = ("authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange")


def question_of(agent: Agent, person: Person | None, server: Server, grant_type: str) -> AccessQuestion:
    """The question of this agent, for this person (None: itself), there, without scopes."""
    return AccessQuestion(
        client_id=agent.client_id,
        client_status=agent.status,
        client_kind=agent.kind,
        client_host=agent.host,
        client_tags=agent.tags,
        client_owner=agent.owner,
        client_environment=agent.environment,
        subject=None if person is None else person.username,
        groups=() if person is None else person.groups,
        grant_type=grant_type,
        resource=server.identifier,
        scopes=(),
        labels=server.labels,
        scope_labels=server.scope_labels,
        tool_labels=server.tool_labels,
        asks_before_calls=server.asks_before_calls,
        tool=server.tool,
    )
