"""Past calls of tools under other rules, where the audit doesn't have all of their arguments.

A rule with a condition on an argument that wasn't recorded may have matched or not; likewise one on what is unusual, of
a call from before that was measured. Each of these is a *world*: the rules as they would be if it had, or hadn't. What
comes out alike in all worlds is known; anything else isn't.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from authz.policy.compiled import RuleSet, compile
from authz.policy.rules import Effect, Rule
from authz.policy.tool_calls import ToolCall

# Kinds of rules that depend on what isn't known; each doubles the worlds. With more, nothing is said to be known.
MOST_KINDS = 6

# Stands among the members for what is unusual about a call. No path of a member has a space.
UNUSUAL = "what is unusual"

# What the two rule sets would be, the old and the new one.
World = tuple[RuleSet, RuleSet]
# A rule's effect, and the sets that it is in: rules alike in both match together.
_Kind = tuple[str, bool, bool]


def without_networks(rules: Iterable[Rule]) -> list[Rule]:
    """Rules for what happens in a network that isn't known here: an allow holds in each, and a restriction for some
    networks says nothing.
    """
    return [
        replace(rule, conditions=replace(rule.conditions, networks=())) if rule.conditions.networks else rule
        for rule in rules
        if not rule.conditions.networks or rule.effect is Effect.ALLOW
    ]


class PastCalls:
    """Two rule sets as past calls are asked about them."""

    def __init__(self, old: RuleSet, new: RuleSet) -> None:
        self._old, self._new = without_networks(old.rules), without_networks(new.rules)
        self._members = old.members | new.members
        self._names_unusual = any(rule.conditions.unusual for rule in (*self._old, *self._new))
        self._both = {_content(rule) for rule in self._old} & {_content(rule) for rule in self._new}
        self._made: dict[frozenset[str], list[World] | None] = {}

    def unrecorded(self, call: ToolCall) -> frozenset[str]:
        """What rules name and the audit doesn't have of a call: members of its arguments, and `UNUSUAL`."""
        members = frozenset[str]() if call.recorded is None else self._members - call.recorded
        is_unmeasured = call.unusual is None and self._names_unusual
        return members | {UNUSUAL} if is_unmeasured else members

    def worlds(self, unknown: frozenset[str]) -> list[World] | None:
        """The worlds that these unknown members leave open, at least one; None if there are too many."""
        if unknown not in self._made:
            self._made[unknown] = self._worlds(unknown)
        return self._made[unknown]

    def _worlds(self, unknown: frozenset[str]) -> list[World] | None:
        kinds = sorted(
            {
                kind
                for rules, is_new in ((self._old, False), (self._new, True))
                for kind in self._kinds(rules, unknown, is_new)
            }
        )
        if len(kinds) > MOST_KINDS:
            return None
        found = []
        for matching in product((False, True), repeat=len(kinds)):
            matches = dict(zip(kinds, matching, strict=True))
            found.append(
                (
                    self._assumed(self._old, unknown, matches, is_new=False),
                    self._assumed(self._new, unknown, matches, is_new=True),
                )
            )
        return found

    def _kinds(self, rules: list[Rule], unknown: frozenset[str], is_new: bool) -> list[_Kind]:
        return [self._kind(rule, is_new) for rule in rules if _depends(rule, unknown)]

    def _kind(self, rule: Rule, is_new: bool) -> _Kind:
        is_in_both = _content(rule) in self._both
        return rule.effect.value, is_in_both or not is_new, is_in_both or is_new

    def _assumed(
        self, rules: list[Rule], unknown: frozenset[str], matches: dict[_Kind, bool], *, is_new: bool
    ) -> RuleSet:
        kept = []
        for rule in rules:
            if not _depends(rule, unknown):
                kept.append(rule)
            elif matches[self._kind(rule, is_new)]:
                kept.append(_without(rule, unknown))
        return compile(kept)


def _depends(rule: Rule, unknown: frozenset[str]) -> bool:
    conditions = rule.conditions
    names = {*(wanted.path for wanted in conditions.arguments), *((UNUSUAL,) if conditions.unusual else ())}
    return rule.enabled and bool(names & unknown)


def _without(rule: Rule, unknown: frozenset[str]) -> Rule:
    """The rule as it is where its conditions on what isn't known are met."""
    conditions = rule.conditions
    arguments = tuple(wanted for wanted in conditions.arguments if wanted.path not in unknown)
    unusual = () if UNUSUAL in unknown else conditions.unusual
    return replace(rule, conditions=replace(conditions, arguments=arguments, unusual=unusual))


def _content(rule: Rule) -> str:
    return repr(replace(rule, id="", version=0))
