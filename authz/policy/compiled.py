"""A set of rules, compiled once so that deciding costs microseconds however many rules there are.

Each rule is one bit. For each value that rules name (a client's key, a group, a resource, a scope …) the set keeps the
bits of the rules that name it, so the rules that apply to a question are found by a few unions and intersections of
integers.
Rules stand in an order of their own, so the order they were given in can't matter.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from authz.policy.clients import client_keys, pattern_key
from authz.policy.conditions import UNCONDITIONAL
from authz.policy.question import AccessQuestion
from authz.policy.rules import Effect, Rule

Index = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RuleSet:
    """Compiled rules; made by `compile`. `version` names their content."""

    rules: tuple[Rule, ...]
    version: str
    clients: Index
    machines: int
    users: Index
    groups: Index
    grant_types: Index
    resources: Index
    scopes: Index
    sensitivities: Index
    any_sensitivity: int
    effects: Index
    conditional: int
    nonempty: int

    def rules_for_client(self, question: AccessQuestion) -> int:
        return union(self.clients, client_keys(question))

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
    grant_types, resources = defaultdict[str, int](int), defaultdict[str, int](int)
    scopes, sensitivities, effects = defaultdict[str, int](int), defaultdict[str, int](int), defaultdict[str, int](int)
    machines = any_sensitivity = conditional = nonempty = 0
    for position, rule in enumerate(ordered):
        # A disabled rule keeps its place, for `explain`, and is in no index, so nothing finds it.
        if not rule.enabled:
            continue
        bit = 1 << position
        effects[rule.effect] |= bit
        for index, values in (
            (clients, map(pattern_key, rule.clients)),
            (users, rule.users or ()),
            (groups, rule.groups or ()),
            (grant_types, rule.grant_types),
            (resources, rule.resources),
            (scopes, rule.scopes),
            (sensitivities, rule.sensitivities or ()),
        ):
            for value in values:
                index[value] |= bit
        if rule.for_machines:
            machines |= bit
        if rule.sensitivities is None:
            any_sensitivity |= bit
        if rule.conditions != UNCONDITIONAL:
            conditional |= bit
        if rule.resources and rule.scopes and rule.sensitivities != ():
            nonempty |= bit
    return RuleSet(
        rules=ordered,
        version=version or (f"{number}-{_digest(digested)[:16]}" if number else _digest(digested)),
        clients=dict(clients),
        machines=machines,
        users=dict(users),
        groups=dict(groups),
        grant_types=dict(grant_types),
        resources=dict(resources),
        scopes=dict(scopes),
        sensitivities=dict(sensitivities),
        any_sensitivity=any_sensitivity,
        effects={effect: effects[effect] for effect in Effect},
        conditional=conditional,
        nonempty=nonempty,
    )


def _content(rule: Rule) -> str:
    return json.dumps(rule.to_mapping())


def _digest(digested: list[tuple[str, str, int, str, Rule]]) -> str:
    contents = json.dumps([[rule_id, version, content] for _, rule_id, version, content, _ in digested])
    return hashlib.sha256(contents.encode()).hexdigest()[:32]
