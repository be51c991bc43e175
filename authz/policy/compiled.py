"""A set of rules, compiled once so that deciding costs microseconds however many rules there are.

Each rule is one bit. For each value that rules name (a client's key, a group, a resource, a scope …) the set keeps the
bits of the rules that name it, so the rules that apply to a question are found by a few unions and intersections of
integers.

A rule that speaks of calls (`Rule.is_of_calls`, or labels that only tools have) cannot be decided for a token: there is
no call yet. Where the resource asks before each call, the token is permitted by such a rule and not restricted, since
each call is decided again. Where it doesn't ask, the token is good for every call: such a rule permits nothing and
restricts all of it.

Rules stand in an order of their own, so the order they were given in can't matter.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_

from authz.policy.arguments import members
from authz.policy.clients import actor_keys, client_keys, pattern_key
from authz.policy.conditions import UNCONDITIONAL
from authz.policy.extension_conditions import ExtensionCondition
from authz.policy.question import AccessQuestion
from authz.policy.rules import Effect, Rule
from authz.policy.tool_calls import is_tool_name

Index = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RuleSet:
    """Compiled rules; made by `compile`. `version` names their content."""

    rules: tuple[Rule, ...]
    version: str
    clients: Index
    through: Index
    direct: int
    machines: int
    users: Index
    groups: Index
    grant_types: Index
    resources: Index
    scopes: Index
    sensitivities: Index
    any_sensitivity: int
    tools: Index
    tool_prefixes: Index
    prefix_lengths: tuple[int, ...]
    any_tool: int
    labels: Index
    any_label: int
    of_calls: int
    members: frozenset[str]
    by_extensions: int
    every: int
    effects: Index
    conditional: int
    nonempty: int
    wants_proofs: bool

    @property
    def speaks_of_calls(self) -> bool:
        """Whether any rule depends on labels or on what is called."""
        return bool(self.of_calls or self.labels)

    @property
    def unlimited(self) -> int:
        """The rules that hold whatever is called, and whatever anything is called."""
        return self.any_label & ~self.of_calls

    def rules_for_client(self, question: AccessQuestion) -> int:
        return union(self.clients, client_keys(question))

    def rules_for_path(self, question: AccessQuestion) -> tuple[int, int]:
        """(may permit, may restrict), by the clients that rules name in `through`."""
        if not question.through:
            return self.direct, self.direct
        # Attack: one client of a path that an allow names must not carry another one in that it does not name.
        permitting, restricting = self.every, self.direct
        for actor in question.through:
            naming = union(self.through, actor_keys(actor))
            permitting &= naming
            restricting |= naming
        return permitting, restricting

    def rules_for_subject(self, question: AccessQuestion) -> int:
        return self.machines if question.subject is None else self.rules_for_person(question.subject, question.groups)

    def rules_for_person(self, username: str, groups: tuple[str, ...]) -> int:
        # A person without a name is neither a machine nor a person who signed in.
        if not username:
            return 0
        return union(self.users, ("*", username)) | union(self.groups, ("*", *groups))

    def rules_for_grant(self, question: AccessQuestion) -> int:
        return union(self.grant_types, ("*", *question.grant_names()))

    def rules_for_resource(self, resource: str) -> int:
        return union(self.resources, ("*", resource))

    def rules_for_scope(self, name: str, sensitivity: str) -> tuple[int, int]:
        """(surely, possibly): they differ only if the scope's sensitivity isn't known."""
        named = union(self.scopes, ("*", name))
        if not sensitivity:
            return named & self.any_sensitivity, named
        sure = named & (self.any_sensitivity | self.sensitivities.get(sensitivity, 0))
        return sure, sure

    def rules_for_call(self, question: AccessQuestion) -> tuple[int, int]:
        """(may permit, may restrict), by the tools that rules name."""
        if question.tool is None:
            beside_calls = self.every ^ self.of_calls
            return (self.every, beside_calls) if question.asks_before_calls else (beside_calls, self.every)
        # What the MCP server takes such a name for isn't known.
        if not is_tool_name(question.tool.name):
            return self.any_tool, self.every
        named = self.any_tool | self.rules_for_tool(question.tool.name)
        return named, named

    def rules_for_tool(self, name: str) -> int:
        """The rules that name this tool, by a pattern or exactly."""
        prefixes = (name[:length] for length in self.prefix_lengths if length <= len(name))
        return self.tools.get(name, 0) | union(self.tool_prefixes, prefixes)

    def rules_for_labels(self, question: AccessQuestion) -> tuple[int, int, int]:
        """(matched whatever is called, may permit besides, may restrict besides), by the labels that rules name; those
        of single scopes are `rules_for_scope_labels`."""
        if not self.labels:
            return self.every, 0, 0
        if question.labels is None:
            return self.any_label, 0, self.every
        fixed = self.any_label | union(self.labels, question.labels)
        if question.tool is not None:
            known = question.tool.labels
            # The labels of a tool that isn't known may be any.
            return (fixed, 0, self.every) if known is None else (fixed, by_tool := union(self.labels, known), by_tool)
        by_call = union(self.labels, question.tool_labels)
        return (fixed, by_call, 0) if question.asks_before_calls else (fixed, 0, by_call)

    def rules_for_scope_labels(self, question: AccessQuestion, scope: str) -> int:
        if question.labels is None:
            return 0
        return union(self.labels, [label for name, label in question.scope_labels if name == scope])

    def extension_conditions(self, question: AccessQuestion, *, anywhere: bool) -> tuple[ExtensionCondition, ...]:
        """The conditions by extensions of those rules that may concern a question, by all else that they name.

        anywhere  at any MCP server, for a sign-in.
        """
        if not self.by_extensions:
            return ()
        permitting, restricting = self.rules_for_path(question)
        found = self.by_extensions & (permitting | restricting)
        found &= self.rules_for_client(question) & self.rules_for_grant(question) & self.rules_for_subject(question)
        if not anywhere:
            found &= self.rules_for_resource(question.resource)
        named = (wanted for position in positions(found) for wanted in self.rules[position].conditions.extensions)
        return tuple(dict.fromkeys(named))


def union(index: Index, keys: Iterable[str]) -> int:
    bits = 0
    for key in keys:
        bits |= index.get(key, 0)
    return bits


def positions(bits: int) -> Iterator[int]:
    """The positions of the bits that are set, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def compile(rules: Iterable[Rule], version: str = "", *, number: int = 0) -> RuleSet:
    """Compiles rules. Without a `version` their content's digest is it, so equal rules have equal versions.

    With the `number` that the history gives them it is `number-digest`: the number says where to look, and the digest
    whether what is found there is the same.
    """
    digested = sorted(
        ((rule.name, rule.id, rule.version, _content(rule), rule) for rule in rules), key=lambda entry: entry[:4]
    )
    ordered = tuple(rule for *_, rule in digested)
    clients, users, groups = defaultdict[str, int](int), defaultdict[str, int](int), defaultdict[str, int](int)
    through, direct = defaultdict[str, int](int), 0
    grant_types, resources = defaultdict[str, int](int), defaultdict[str, int](int)
    scopes, sensitivities, effects = defaultdict[str, int](int), defaultdict[str, int](int), defaultdict[str, int](int)
    tools, prefixes, labels = defaultdict[str, int](int), defaultdict[str, int](int), defaultdict[str, int](int)
    machines = any_sensitivity = any_tool = any_label = of_calls = conditional = nonempty = 0
    for position, rule in enumerate(ordered):
        # One that is disabled, or names no tool, label or path, keeps its place, for `explain`, and is in no index.
        if not rule.enabled or () in (rule.tools, rule.labels, rule.through):
            continue
        bit = 1 << position
        effects[rule.effect] |= bit
        for index, values in (
            (clients, map(pattern_key, rule.clients)),
            (through, map(pattern_key, rule.through or ())),
            (users, rule.users or ()),
            (groups, rule.groups or ()),
            (grant_types, rule.grant_types),
            (resources, rule.resources),
            (scopes, rule.scopes),
            (sensitivities, rule.sensitivities or ()),
            (tools, [name for name in rule.tools or () if not name.endswith("*")]),
            (prefixes, [name[:-1] for name in rule.tools or () if name.endswith("*")]),
            (labels, rule.labels or ()),
        ):
            for value in values:
                index[value] |= bit
        if rule.through is None:
            direct |= bit
        if rule.for_machines:
            machines |= bit
        if rule.sensitivities is None:
            any_sensitivity |= bit
        if rule.tools is None:
            any_tool |= bit
        if rule.labels is None:
            any_label |= bit
        if rule.is_of_calls:
            of_calls |= bit
        if rule.conditions != UNCONDITIONAL:
            conditional |= bit
        if rule.resources and rule.scopes and rule.sensitivities != ():
            nonempty |= bit
    return RuleSet(
        rules=ordered,
        version=version or (f"{number}-{_digest(digested)[:16]}" if number else _digest(digested)),
        clients=dict(clients),
        through=dict(through),
        direct=direct,
        machines=machines,
        users=dict(users),
        groups=dict(groups),
        grant_types=dict(grant_types),
        resources=dict(resources),
        scopes=dict(scopes),
        sensitivities=dict(sensitivities),
        any_sensitivity=any_sensitivity,
        tools=dict(tools),
        tool_prefixes=dict(prefixes),
        prefix_lengths=tuple(sorted({len(prefix) for prefix in prefixes})),
        any_tool=any_tool,
        labels=dict(labels),
        any_label=any_label,
        of_calls=of_calls,
        members=frozenset().union(*(members(rule.conditions.arguments) for rule in ordered if rule.enabled)),
        by_extensions=reduce(or_, (1 << place for place, rule in enumerate(ordered) if rule.conditions.extensions), 0),
        every=(1 << len(ordered)) - 1,
        effects={effect: effects[effect] for effect in Effect},
        conditional=conditional,
        nonempty=nonempty,
        wants_proofs=any(rule.proof_of_possession for rule in ordered),
    )


def _content(rule: Rule) -> str:
    return json.dumps(rule.to_mapping())


def _digest(digested: list[tuple[str, str, int, str, Rule]]) -> str:
    contents = json.dumps([[rule_id, version, content] for _, rule_id, version, content, _ in digested])
    return hashlib.sha256(contents.encode()).hexdigest()[:32]
