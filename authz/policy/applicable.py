"""Which of the rules that name a question's client, subject, grant, resource and scopes apply under their conditions.

A condition may be met, not met, or not established. A rule that restricts applies unless one of its conditions is not
met; a rule that permits applies only if all are met.
"""

from dataclasses import dataclass

from authz.policy.compiled import RuleSet, positions
from authz.policy.conditions import match_authentication, match_circumstances
from authz.policy.match import NO, NOT_ESTABLISHED, YES, Match, all_of
from authz.policy.question import AccessQuestion
from authz.policy.rules import Effect


@dataclass(frozen=True, slots=True)
class Applicable:
    """Rules as bits (`RuleSet`): that restrict, that permit, and that would permit after a step-up."""

    restricting: int
    permitting: int
    after_step_up: int

    def denying(self, rules: RuleSet) -> int:
        return self.restricting & rules.effects[Effect.DENY]

    def requiring(self, rules: RuleSet) -> int:
        """Those that make scopes wait for an approval."""
        return self.restricting & rules.effects[Effect.REQUIRE_APPROVAL]


def applicable(
    found: int, question: AccessQuestion, rules: RuleSet, now: float, in_force_at: float, *, best_case: bool = False
) -> Applicable:
    """What applies of the rules `found`. See `evaluate` for `in_force_at` and `best_case`."""
    restricting = permitting = found & ~rules.conditional
    after_step_up = 0
    for position in positions(found & rules.conditional):
        conditions = rules.rules[position].conditions
        found_out = match_circumstances(conditions, question, now, in_force_at)
        circumstances = all_of(_sooner_or_later(found_out) if best_case else found_out)
        if circumstances is NO:
            continue
        bit = 1 << position
        signed_in = match_authentication(conditions, question, now)
        authentication = all_of(signed_in)
        if best_case or (circumstances is YES and authentication is YES):
            permitting |= bit
        if _is_inescapable(circumstances, signed_in) if best_case else authentication is not NO:
            restricting |= bit
        if circumstances is YES and authentication is not YES and question.subject is not None:
            after_step_up |= bit
    return Applicable(
        restricting, permitting & ~rules.effects[Effect.DENY], after_step_up & ~rules.effects[Effect.DENY]
    )


# What time alone changes: hours come round, what has not begun begins, and what has an end ends.
_PASSING = {("hours", YES), ("hours", NO), ("not_before", NO), ("not_after", YES)}


def _sooner_or_later(found: list[tuple[str, Match]]) -> list[tuple[str, Match]]:
    return [(name, NOT_ESTABLISHED if (name, match) in _PASSING else match) for name, match in found]


def _is_inescapable(circumstances: Match, signed_in: list[tuple[str, Match]]) -> bool:
    # A person doesn't escape a restriction by waiting until a sign-in is old (authz/policy/conditions.py).
    return circumstances is YES and all(match is YES or name == "max_auth_age" for name, match in signed_in)
