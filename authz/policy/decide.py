"""The decision on one question. Every grant, the consent page, a refresh and the simulator ask this function.

Nothing is allowed unless a rule allows it, and each scope is judged by itself:

1. a client that isn't approved, or whose approval has ended, gets nothing;
2. a scope that a deny speaks about is taken away, whatever else is said about it;
3. a scope that a require_approval speaks about waits for a human, unless a live approval covers it. A require_approval
   is also a permission under that condition: with the approval it needs no allow beside it;
4. any other scope is granted if an allow speaks about it;
5. what isn't granted is left out (narrowing), and nothing left is a refusal.

One scope that waits makes the whole question wait: a token with less than was asked for would hide the access request
from the agent. The decision says which scopes a question for them alone would get at once. What an approver has
declined doesn't wait; it is left out.

A rule that restricts counts unless it surely doesn't apply; a rule that permits counts only if it surely does. So a
require_approval whose conditions aren't established makes a question wait, but doesn't permit it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from operator import or_

from authz.policy.approvals import Approval
from authz.policy.compiled import RuleSet, positions, union
from authz.policy.conditions import (
    NO,
    NOT_ESTABLISHED,
    YES,
    Verdict,
    together,
    verdicts_on_authentication,
    verdicts_on_circumstances,
)
from authz.policy.question import IDENTITY_SCOPES, AccessQuestion
from authz.policy.rules import Effect, Rule


class Outcome(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    PENDING = "pending"


class DecisionReason(StrEnum):
    """Why a decision came out as it did; closed."""

    ALLOWED = "allowed"
    NARROWED = "narrowed"
    APPROVAL_NEEDED = "approval_needed"
    APPROVAL_DECLINED = "approval_declined"
    DENIED_BY_RULE = "denied_by_rule"
    NO_RULE_ALLOWS = "no_rule_allows"
    STEP_UP_NEEDED = "step_up_needed"
    CLIENT_NOT_APPROVED = "client_not_approved"
    NOTHING_ASKED = "nothing_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUp:
    """The sign-in that would have made `rule` permit more (RFC 9470 §3): all of it is needed; acr are alternatives."""

    rule: str
    max_auth_age: int | None
    acr: tuple[str, ...]
    amr: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to one question.

    scopes        granted, in the request's order. Beside a wait: those that need no approval, which a question for
                  them alone would get at once.
    waiting       scopes that wait for an approval, in the request's order; empty unless the effect is pending.
    lifetime      seconds that what is issued may live at most; None if no rule says so. Nothing outlives the approval
                  or the rule that it stands on, nor the approval of its client.
    rules         names of the rules that made it: those that permitted, or that made it wait, or that denied.
    narrowed_by   names of the denies that took scopes away, where they aren't why the question was refused.
    approvals     ids of the approvals it stands on, or that declined it.
    step_up       set whenever a better sign-in could get more, also beside a narrowed allow.
    ruleset       the version of the rules.
    question      what it is the answer to; not part of the answer, so equal answers to two questions are equal.
    """

    effect: Outcome
    reason: DecisionReason
    scopes: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    lifetime: int | None = None
    rules: tuple[str, ...] = ()
    narrowed_by: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    step_up: StepUp | None = None
    ruleset: str = ""
    question: AccessQuestion | None = field(default=None, compare=False, repr=False)


def decide(question: AccessQuestion, rules: RuleSet, now: float, approvals: Sequence[Approval] = ()) -> Decision:
    """The decision on a question for a resource's scopes. `now` is in seconds since the epoch."""
    return evaluate(question, rules, now, approvals, in_force_at=now)


def evaluate(
    question: AccessQuestion,
    rules: RuleSet,
    now: float,
    approvals: Sequence[Approval] = (),
    *,
    in_force_at: float,
    hopeful: bool = False,
) -> Decision:
    """`decide`, for those who try things out.

    in_force_at   when the rules' own validity is judged.
    hopeful       what could be reached at best, from now on: whatever isn't established is taken for granted where it
                  permits and not where it restricts, each condition by itself, and the right moment will come.
    """
    refusal = _refusal_before_rules(question, rules, now)
    if refusal is not None:
        return refusal
    spoken = [
        (name, *rules.speaking_of_scope(name, sensitivity)) for name, sensitivity in question.sensitivities().items()
    ]
    found = (
        rules.speaking_of_client(question)
        & rules.speaking_of_grant(question)
        & rules.speaking_of_resource(question.resource)
    )
    found &= rules.speaking_of_subject(question) & reduce(or_, (possibly for _, _, possibly in spoken))
    standing = _applicable(found, question, rules, now, in_force_at, hopeful=hopeful)
    denying = standing.restricting & rules.effects[Effect.DENY]
    holding = standing.restricting & rules.effects[Effect.REQUIRE_APPROVAL]
    permitting = standing.permitting & ~rules.effects[Effect.DENY]
    retrying = standing.retrying & ~rules.effects[Effect.DENY]
    allows = rules.effects[Effect.ALLOW]
    live = [a for a in approvals if a.is_live(now) and a.resource == question.resource and a.is_for(question)]

    tally = _Tally()
    for name, surely, possibly in spoken:
        restricted_by, permitted_by = (surely, possibly) if hopeful else (possibly, surely)
        denied, held, permits = denying & restricted_by, holding & restricted_by, permitting & permitted_by
        # What permits only under an approval holds, too, however little is established.
        if not permits & allows:
            held |= permits
        if denied:
            tally.deny(denied)
        elif not permits:
            tally.miss(retrying & surely)
        elif held:
            tally.hold(name, permits | held, held, _covering(name, held, live, rules), live)
        else:
            tally.grant(name, permits)
    return tally.decision(question, rules, now, in_force_at)


def decide_sign_in(
    question: AccessQuestion, rules: RuleSet, now: float, approvals: Sequence[Approval] = ()
) -> Decision:
    """The decision on signing a person in to a client, with the identity scopes among `question.scopes`.

    The caller asks for the identity scopes that the client is registered for; other names, and `question.resource`,
    count for nothing. A person may sign in if a rule permits anything through this client by the authorization code
    grant, unless denies take all of that away again (or, where it stands on an approval, none is live).

    An identity scope is taken away by a deny that names it, and all of them by a deny that names `openid` or that
    speaks about every scope of every resource. A require_approval that does the same makes the sign-in wait: for an
    approval of the scope where it names one, and for any approval of this person and client otherwise.
    """
    refusal = _refusal_before_rules(question, rules, now)
    if refusal is not None:
        return refusal
    if question.subject is None or question.grant_type != "authorization_code":
        return _refused(DecisionReason.NO_RULE_ALLOWS, question, rules)
    found = rules.speaking_of_client(question) & rules.speaking_of_grant(question) & rules.speaking_of_subject(question)
    standing = _applicable(found, question, rules, now, now, hopeful=False)
    answered = [a for a in approvals if a.is_live(now) and a.is_for(question)]
    live = [a for a in answered if a.scopes]
    denying = standing.restricting & rules.effects[Effect.DENY]
    holding = standing.restricting & rules.effects[Effect.REQUIRE_APPROVAL]
    permitting = _left_over(standing.permitting & ~rules.effects[Effect.DENY] & rules.substantial, denying, rules)
    retrying = _left_over(standing.retrying & ~rules.effects[Effect.DENY] & rules.substantial, denying, rules)
    opening = rules.effects[Effect.ALLOW] | (rules.effects[Effect.REQUIRE_APPROVAL] if live else 0)

    total = rules.scopes.get("*", 0) & rules.resources.get("*", 0) & rules.any_sensitivity
    tally = _Tally()
    for name in (name for name in question.scope_names() if name in IDENTITY_SCOPES):
        naming = union(rules.scopes, ("openid", name))
        speaking = naming | total
        denied, held = denying & speaking, holding & speaking
        permits = permitting & (opening | speaking)
        if denied:
            tally.deny(denied)
        elif not permits:
            tally.miss(retrying & (opening | speaking))
        elif held:
            covering = _covering(name, held, live, rules) if held & naming else live
            tally.hold(name, permits | held, held, covering, answered)
        else:
            tally.grant(name, permits)
    return tally.decision(question, rules, now, now)


def _covering(name: str, held: int, live: list[Approval], rules: RuleSet) -> list[Approval]:
    """The approvals of a scope that every rule which holds it had asked for."""
    named = [approval for approval in live if name in approval.scopes]
    asking = _names(held, rules) if named else ()
    return [approval for approval in named if approval.answers(asking)]


@dataclass(frozen=True, slots=True)
class _Applicable:
    """Which of the rules found count: as restrictions, as permissions, and as permissions after a better sign-in."""

    restricting: int
    permitting: int
    retrying: int


def _applicable(
    found: int, question: AccessQuestion, rules: RuleSet, now: float, in_force_at: float, *, hopeful: bool
) -> _Applicable:
    restricting = permitting = found & ~rules.conditional
    retrying = 0
    for position in positions(found & rules.conditional):
        conditions = rules.rules[position].conditions
        found_out = verdicts_on_circumstances(conditions, question, now, in_force_at)
        circumstances = together(_sooner_or_later(found_out) if hopeful else found_out)
        if circumstances is NO:
            continue
        bit = 1 << position
        signed_in = verdicts_on_authentication(conditions, question, now)
        authentication = together(signed_in)
        if hopeful or (circumstances is YES and authentication is YES):
            permitting |= bit
        if _is_inescapable(circumstances, signed_in) if hopeful else authentication is not NO:
            restricting |= bit
        if circumstances is YES and authentication is not YES and question.subject is not None:
            retrying |= bit
    return _Applicable(restricting, permitting, retrying)


# What time alone changes: hours come round, what has not begun begins, and what has an end ends.
_PASSING = {("hours", YES), ("hours", NO), ("not_before", NO), ("not_after", YES)}


def _sooner_or_later(found: list[tuple[str, Verdict]]) -> list[tuple[str, Verdict]]:
    return [(name, NOT_ESTABLISHED if (name, verdict) in _PASSING else verdict) for name, verdict in found]


def _is_inescapable(circumstances: Verdict, signed_in: list[tuple[str, Verdict]]) -> bool:
    # By waiting until a sign-in is old nobody escapes a restriction (authz/policy/conditions.py).
    return circumstances is YES and all(verdict is YES or name == "max_auth_age" for name, verdict in signed_in)


class _Tally:
    """What became of each scope, and the rules that made it so."""

    def __init__(self) -> None:
        self.granted: list[str] = []
        self.waiting: list[str] = []
        self.permitting = 0
        self.holding = 0
        self.denying = 0
        self.retrying: list[int] = []
        self.approvals: list[Approval] = []
        self.declining: list[Approval] = []

    def grant(self, name: str, permits: int) -> None:
        self.granted.append(name)
        self.permitting |= permits

    def deny(self, denied: int) -> None:
        self.denying |= denied

    def miss(self, retrying: int) -> None:
        if retrying:
            self.retrying.append(retrying)

    def hold(self, name: str, permits: int, held: int, covering: list[Approval], answered: list[Approval]) -> None:
        """Grants a scope that needs an approval if one covers it, leaves it out if one declines it, or lets it wait."""
        declining = [approval for approval in answered if name in approval.declined]
        if covering:
            self.grant(name, permits)
            self.approvals.append(max(covering, key=lambda approval: (approval.expires, approval.id)))
        elif declining:
            self.declining.extend(declining)
        else:
            self.waiting.append(name)
            self.holding |= held

    def decision(self, question: AccessQuestion, rules: RuleSet, now: float, in_force_at: float) -> Decision:
        denying, step_up = _names(self.denying, rules), _step_up(self.retrying, rules)
        if self.waiting:
            return Decision(
                effect=Outcome.PENDING,
                reason=DecisionReason.APPROVAL_NEEDED,
                scopes=tuple(self.granted),
                waiting=tuple(self.waiting),
                rules=_names(self.holding, rules),
                narrowed_by=denying,
                step_up=step_up,
                ruleset=rules.version,
                question=question,
            )
        if self.granted:
            whole = len(self.granted) == len(question.scope_names())
            return Decision(
                effect=Outcome.ALLOW,
                reason=DecisionReason.ALLOWED if whole else DecisionReason.NARROWED,
                scopes=tuple(self.granted),
                lifetime=_lifetime(question, self.permitting, self.approvals, rules, now=now, in_force_at=in_force_at),
                rules=_names(self.permitting, rules),
                narrowed_by=denying,
                approvals=_ids(self.approvals),
                step_up=step_up,
                ruleset=rules.version,
                question=question,
            )
        if step_up is not None:
            reason = DecisionReason.STEP_UP_NEEDED
        elif denying:
            reason = DecisionReason.DENIED_BY_RULE
        elif self.declining:
            reason = DecisionReason.APPROVAL_DECLINED
        else:
            reason = DecisionReason.NO_RULE_ALLOWS
        return Decision(
            effect=Outcome.DENY,
            reason=reason,
            rules=denying if reason is DecisionReason.DENIED_BY_RULE else (),
            narrowed_by=denying if reason is not DecisionReason.DENIED_BY_RULE else (),
            approvals=_ids(self.declining),
            step_up=step_up,
            ruleset=rules.version,
            question=question,
        )


def _refusal_before_rules(question: AccessQuestion, rules: RuleSet, now: float) -> Decision | None:
    if not question.is_approved(now):
        return _refused(DecisionReason.CLIENT_NOT_APPROVED, question, rules)
    if not question.scopes:
        return _refused(DecisionReason.NOTHING_ASKED, question, rules)
    return None


def _refused(reason: DecisionReason, question: AccessQuestion, rules: RuleSet) -> Decision:
    return Decision(effect=Outcome.DENY, reason=reason, ruleset=rules.version, question=question)


def _left_over(permitting: int, denying: int, rules: RuleSet) -> int:
    """The permitting rules of which denies leave anything at all, whatever the sensitivity of scopes."""
    denying &= rules.any_sensitivity
    if not denying:
        return permitting
    left = 0
    for position in positions(permitting):
        rule = rules.rules[position]
        if any(
            not denying & rules.speaking_of_resource(resource) & union(rules.scopes, ("*", scope))
            for resource in rule.resources
            for scope in rule.scopes
        ):
            left |= 1 << position
    return left


def _names(bits: int, rules: RuleSet) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rules.rules[position].name for position in positions(bits)))


def _ids(approvals: Iterable[Approval]) -> tuple[str, ...]:
    return tuple(sorted({approval.id for approval in approvals}))


def _lifetime(
    question: AccessQuestion,
    bits: int,
    approvals: Iterable[Approval],
    rules: RuleSet,
    *,
    now: float,
    in_force_at: float,
) -> int | None:
    """The smallest cap: of the rules, of what is left of their validity, and of what is left of the approvals (of the
    question, and of the client itself)."""
    caps: list[float] = [approval.expires - now for approval in approvals]
    if question.client_until is not None:
        caps.append(question.client_until - now)
    for position in positions(bits):
        rule = rules.rules[position]
        if rule.max_lifetime is not None:
            caps.append(rule.max_lifetime)
        if rule.conditions.not_after is not None:
            caps.append(rule.conditions.not_after - in_force_at)
    return max(1, int(min(caps))) if caps else None


def _step_up(retrying: list[int], rules: RuleSet) -> StepUp | None:
    """The mildest of the sign-ins that would get the most of the scopes that were missed."""
    if not retrying:
        return None
    gains = {at: sum(bits >> at & 1 for bits in retrying) for at in positions(reduce(or_, retrying))}
    best = min(gains, key=lambda position: (-gains[position], *_demand(rules.rules[position]), position))
    rule = rules.rules[best]
    return StepUp(
        rule=rule.name,
        max_auth_age=rule.conditions.max_auth_age,
        acr=rule.conditions.acr,
        amr=rule.conditions.amr,
    )


def _demand(rule: Rule) -> tuple[int, float]:
    """How much a rule asks of a sign-in: kinds of proof first, then how recent."""
    conditions = rule.conditions
    age = conditions.max_auth_age
    return bool(conditions.acr) + len(conditions.amr), 0.0 if age is None else 1 / age
