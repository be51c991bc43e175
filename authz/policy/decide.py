"""The decision on one question. Every grant, the consent page, a refresh and the simulator call `decide`.

Nothing is allowed unless a rule allows it, and each scope is decided by itself:

1. A client that isn't approved, or whose approval has ended, gets nothing.
2. A scope that a deny names is removed, independent of other rules.
3. A scope that a require_approval names waits for a human, unless a live approval covers it. With the approval it is
   granted, and needs no allow.
4. Any other scope is granted if an allow names it.
5. What isn't granted is left out (narrowing). If nothing is left, the question is refused.

One scope that waits makes the whole question wait: a token with less than was asked for would hide the access request
from the agent. The decision lists the scopes that would be granted at once if the question named them alone. A scope
that an approver has declined doesn't wait; it is left out.

A call of a tool (`AccessQuestion.tool`) is decided for the scopes that it may use. It is one act, and which of them it
uses isn't known: one scope that a deny names refuses it as a whole. A scope that no rule permits is left out as ever.
The approval that lets a call pass where a rule speaks of calls is one of this very call (`Approval.call`). What such
rules mean for a token stands in `compiled.py`.

What came through other clients (`AccessQuestion.through`) is permitted only by rules that name all of them, and is
restricted by those that name any, or none (docs/decisions/0110-delegation-needs-a-rule-of-its-own.md).

A require_approval whose conditions aren't established makes a question wait, but doesn't permit it
(authz/policy/applicable.py).
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from authz.policy.applicable import applicable
from authz.policy.approvals import Approval
from authz.policy.compiled import RuleSet, positions, union
from authz.policy.decision import Decision, DecisionReason, Outcome
from authz.policy.question import AccessQuestion
from authz.policy.rules import Effect
from authz.policy.tally import Tally, rule_names
from authz.protocol.scope_names import IDENTITY_SCOPES


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
    best_case: bool = False,
) -> Decision:
    """`decide`, with two more parameters for simulations.

    in_force_at   the time at which the rules' own validity is compared, in seconds since the epoch.
    best_case     what could be reached from now on. A condition that isn't established counts as met in a rule that
                  permits, and as not met in a rule that restricts. What time alone changes isn't established.
    """
    refusal = _refusal_before_rules(question, rules, now)
    if refusal is not None:
        return refusal
    named = _scopes(question, rules, best_case=best_case)
    found = rules.rules_for_client(question) & rules.rules_for_grant(question)
    found &= rules.rules_for_resource(question.resource) & rules.rules_for_subject(question)
    permitting_path, restricting_path = rules.rules_for_path(question)
    found &= permitting_path | restricting_path
    found &= reduce(or_, (scope.permitting | scope.restricting for scope in named))
    applying = applicable(found, question, rules, now, in_force_at, best_case=best_case)
    denying, requiring, allows = applying.denying(rules), applying.requiring(rules), rules.effects[Effect.ALLOW]
    live = [a for a in approvals if a.is_live(now) and a.resource == question.resource and a.is_for(question)]

    tally = Tally()
    for scope in named:
        restricting, permitting = scope.restricting & restricting_path, scope.permitting & permitting_path
        denied, required = denying & restricting, requiring & restricting
        permits = applying.permitting & permitting
        # A scope that is permitted only under an approval waits, too, also if no condition is established. A token
        # doesn't wait for the approvals of later calls.
        if not permits & (allows if question.tool else allows | scope.by_call):
            required |= permits
        if denied:
            tally.deny(denied)
        elif not permits:
            tally.miss(applying.after_step_up & permitting)
        elif required:
            covering = _covering(scope.name, required, live, rules)
            if question.tool is not None and required & scope.by_call:
                covering = [approval for approval in covering if approval.call]
            tally.require_approval(scope.name, permits | required, required, covering, live)
        else:
            tally.grant(scope.name, permits)
    return tally.decision(question, rules, now, in_force_at)


class _Scope(NamedTuple):
    """Rules as bits (`RuleSet`): that may permit the scope, that may restrict it, and that do so by the call alone."""

    name: str
    permitting: int
    restricting: int
    by_call: int


def _scopes(question: AccessQuestion, rules: RuleSet, *, best_case: bool) -> list[_Scope]:
    may_permit, may_restrict = rules.rules_for_call(question)
    fixed, permit_besides, restrict_besides = rules.rules_for_labels(question)
    scopes = []
    for name, sensitivity in question.sensitivities().items():
        surely, possibly = rules.rules_for_scope(name, sensitivity)
        permitting, restricting = (possibly, surely) if best_case else (surely, possibly)
        if not rules.speaks_of_calls:
            scopes.append(_Scope(name, permitting, restricting, 0))
            continue
        labelled = fixed | rules.rules_for_scope_labels(question, name) if question.scope_labels else fixed
        permitting &= may_permit & (labelled | permit_besides)
        restricting &= may_restrict & (labelled | restrict_besides)
        scopes.append(_Scope(name, permitting, restricting, rules.of_calls | (rules.every ^ labelled)))
    return scopes


def decide_sign_in(
    question: AccessQuestion, rules: RuleSet, now: float, approvals: Sequence[Approval] = ()
) -> Decision:
    """The decision on signing a person in to a client, with the identity scopes among `question.scopes`.

    A sign-in has no server and no call: a restriction by tools, arguments or labels says nothing of it.

    The caller asks for the identity scopes that the client is registered for. Other names, and `question.resource`, are
    ignored. A person may sign in if a rule permits anything through this client by the authorization code grant, unless
    denies remove all of it, or it needs an approval and none is live.

    A deny that names an identity scope removes it. All of them are removed by a deny that names `openid`, or that
    names every scope of every resource. A require_approval that does the same makes the sign-in wait: for an approval
    of the scope where it names one, and for any approval of this person and client otherwise.
    """
    refusal = _refusal_before_rules(question, rules, now)
    if refusal is not None:
        return refusal
    if question.subject is None or question.grant_type != "authorization_code" or question.through:
        return _refused(DecisionReason.NO_RULE_ALLOWS, question, rules)
    found = rules.rules_for_client(question) & rules.rules_for_grant(question) & rules.rules_for_subject(question)
    # A person signs in to the client that asks, and to none through another one.
    found &= rules.direct
    applying = applicable(found, question, rules, now, now)
    answered = [a for a in approvals if a.is_live(now) and a.is_for(question)]
    live = [a for a in answered if a.scopes]
    denying, requiring = applying.denying(rules), applying.requiring(rules)
    permitting = _left_over(applying.permitting & rules.nonempty, denying, rules)
    after_step_up = _left_over(applying.after_step_up & rules.nonempty, denying, rules)
    granting = rules.effects[Effect.ALLOW] | (rules.effects[Effect.REQUIRE_APPROVAL] if live else 0)

    everything = rules.scopes.get("*", 0) & rules.resources.get("*", 0) & rules.any_sensitivity & rules.unlimited
    tally = Tally()
    for name in (name for name in question.scope_names() if name in IDENTITY_SCOPES):
        naming = union(rules.scopes, ("openid", name))
        concerned = naming | everything
        denied, required = denying & concerned, requiring & concerned
        permits = permitting & (granting | concerned)
        if denied:
            tally.deny(denied)
        elif not permits:
            tally.miss(after_step_up & (granting | concerned))
        elif required:
            covering = _covering(name, required, live, rules) if required & naming else live
            tally.require_approval(name, permits | required, required, covering, answered)
        else:
            tally.grant(name, permits)
    return tally.decision(question, rules, now, now)


def _covering(name: str, required: int, live: list[Approval], rules: RuleSet) -> list[Approval]:
    """The approvals that cover this scope and answer each rule that requires one for it."""
    named = [approval for approval in live if name in approval.scopes]
    asking = rule_names(required, rules) if named else ()
    return [approval for approval in named if approval.answers(asking)]


def _refusal_before_rules(question: AccessQuestion, rules: RuleSet, now: float) -> Decision | None:
    if not question.is_approved(now):
        return _refused(DecisionReason.CLIENT_NOT_APPROVED, question, rules)
    if not question.scopes:
        return _refused(DecisionReason.NOTHING_ASKED, question, rules)
    return None


def _refused(reason: DecisionReason, question: AccessQuestion, rules: RuleSet) -> Decision:
    return Decision(effect=Outcome.DENY, reason=reason, ruleset=rules.version, question=question)


def _left_over(permitting: int, denying: int, rules: RuleSet) -> int:
    """The permitting rules that denies do not cancel completely, for scopes of any sensitivity."""
    denying &= rules.any_sensitivity & rules.unlimited
    if not denying:
        return permitting
    left = 0
    for position in positions(permitting):
        rule = rules.rules[position]
        if any(
            not denying & rules.rules_for_resource(resource) & union(rules.scopes, ("*", scope))
            for resource in rule.resources
            for scope in rule.scopes
        ):
            left |= 1 << position
    return left
