"""Properties that hold for each decision, over questions and rules of every kind."""

import dataclasses
import random

from hypothesis import assume, event, given
from hypothesis import strategies as st

from authz import policy
from authz.policy import AccessQuestion, Approval, Outcome, Rule, decide, decide_sign_in

from . import strategies as any_
from .cast import NOW, require
from .reference import outcome
from .strategies import MANY, SOME


def at_best(decision: policy.Decision) -> set[str]:
    """The scopes that are granted or may still be."""
    return {*decision.scopes, *decision.waiting}


@MANY
@given(any_.questions, any_.rule_lists, any_.approvals)
def test_the_compiled_rules_agree_with_the_law_as_plainly_as_it_can_be_said(
    question: AccessQuestion, rules: list[Rule], approvals: list[Approval]
) -> None:
    decision = decide(question, policy.compile(rules), NOW, approvals)
    event(f"{decision.effect} {decision.reason}")
    assert (decision.effect, decision.waiting or decision.scopes) == outcome(question, rules, NOW, approvals)


@SOME
@given(any_.questions, any_.rule_lists, any_.denies, any_.approvals)
def test_adding_a_deny_never_allows_more(
    question: AccessQuestion, rules: list[Rule], deny: Rule, approvals: list[Approval]
) -> None:
    for ask_it in (decide, decide_sign_in):
        before = ask_it(question, policy.compile(rules), NOW, approvals)
        after = ask_it(question, policy.compile([*rules, deny]), NOW, approvals)
        assert set(after.scopes) <= set(before.scopes)
        assert at_best(after) <= at_best(before)


@SOME
@given(any_.questions, any_.rule_lists, any_.allows, any_.approvals)
def test_adding_an_allow_never_allows_less(
    question: AccessQuestion, rules: list[Rule], allow: Rule, approvals: list[Approval]
) -> None:
    for ask_it in (decide, decide_sign_in):
        before = ask_it(question, policy.compile(rules), NOW, approvals)
        after = ask_it(question, policy.compile([*rules, allow]), NOW, approvals)
        assert set(after.scopes) >= set(before.scopes)
        assert at_best(after) >= at_best(before)


@SOME
@given(any_.questions, any_.rule_lists, any_.requirements)
def test_adding_a_requirement_never_grants_without_an_approval(
    question: AccessQuestion, rules: list[Rule], requirement: Rule
) -> None:
    # A token for calls that are held one by one is had at once (test_tool_calls.py).
    assume(question.tool or not question.asks_before_calls or not (requirement.is_of_calls or requirement.labels))
    for ask_it in (decide, decide_sign_in):
        before = ask_it(question, policy.compile(rules), NOW)
        after = ask_it(question, policy.compile([*rules, requirement]), NOW)
        assert set(after.scopes) <= set(before.scopes)


@SOME
@given(any_.questions, any_.rule_lists, any_.approvals, st.randoms(use_true_random=False))
def test_order_never_matters(
    question: AccessQuestion, rules: list[Rule], approvals: list[Approval], chance: random.Random
) -> None:
    shuffled, answers = chance.sample(rules, len(rules)), chance.sample(approvals, len(approvals))
    for ask_it in (decide, decide_sign_in):
        before = ask_it(question, policy.compile(rules), NOW, approvals)
        after = ask_it(question, policy.compile(shuffled), NOW, answers)
        assert before == after


@SOME
@given(any_.questions, any_.rule_lists, any_.approvals)
def test_no_decision_grants_what_was_not_asked(
    question: AccessQuestion, rules: list[Rule], approvals: list[Approval]
) -> None:
    asked = list(question.scope_names())
    for ask_it in (decide, decide_sign_in):
        decision = ask_it(question, policy.compile(rules), NOW, approvals)
        assert list(decision.scopes) == [name for name in asked if name in decision.scopes]
        assert list(decision.waiting) == [name for name in asked if name in decision.waiting]


@SOME
@given(any_.questions, any_.rule_lists, any_.approvals)
def test_a_decision_never_contradicts_itself(
    question: AccessQuestion, rules: list[Rule], approvals: list[Approval]
) -> None:
    names = {rule.name for rule in rules if rule.enabled}
    for ask_it in (decide, decide_sign_in):
        decision = ask_it(question, policy.compile(rules), NOW, approvals)
        assert decision.scopes or decision.effect is not Outcome.ALLOW
        assert not decision.scopes or decision.effect is not Outcome.DENY
        assert not {*decision.scopes} & {*decision.waiting}
        assert bool(decision.waiting) == (decision.effect is Outcome.PENDING)
        assert decision.lifetime is None or (decision.lifetime >= 1 and decision.effect is Outcome.ALLOW)
        assert {*decision.rules, *decision.narrowed_by} <= names
        assert {*decision.approvals} <= {approval.id for approval in approvals}
        if decision.effect is not Outcome.DENY:
            assert decision.rules
            assert question.client_status == "approved"


@SOME
@given(any_.questions, any_.rule_lists, any_.approvals)
def test_nothing_outlives_the_approvals_and_rules_it_stands_on(
    question: AccessQuestion, rules: list[Rule], approvals: list[Approval]
) -> None:
    decision = decide(question, policy.compile(rules), NOW, approvals)
    if decision.lifetime is not None and decision.lifetime > 1:
        later = NOW + decision.lifetime - 1
        # Hours and the age of a sign-in go on; what a human or a rule's validity ended must not.
        timeless = [
            dataclasses.replace(rule, conditions=dataclasses.replace(rule.conditions, hours=None, max_auth_age=None))
            for rule in rules
            if rule.effect != "deny"
        ]
        reborn = decide(question, policy.compile(timeless), later, approvals)
        assert set(decision.scopes) <= set(reborn.scopes)


@SOME
@given(any_.questions, any_.rule_lists)
def test_the_step_up_that_is_named_is_the_one_that_helps(question: AccessQuestion, rules: list[Rule]) -> None:
    for ask_it in (decide, decide_sign_in):
        decision = ask_it(question, policy.compile(rules), NOW)
        if decision.step_up is None:
            continue
        # Denies and requirements may look differently at another sign-in; what is promised is that the rule permits.
        permitting = [rule for rule in rules if rule.name == decision.step_up.rule and rule.effect != "deny"]
        demanding = [
            rule
            for rule in permitting
            if (rule.conditions.max_auth_age, rule.conditions.acr, rule.conditions.amr)
            == (decision.step_up.max_auth_age, decision.step_up.acr, decision.step_up.amr)
        ]
        better = dataclasses.replace(
            question,
            auth_time=NOW,
            acr=decision.step_up.acr[0] if decision.step_up.acr else question.acr,
            amr=tuple({*question.amr, *decision.step_up.amr}),
        )
        assert any(ask_it(better, policy.compile([rule]), NOW).effect is not Outcome.DENY for rule in demanding)


@SOME
@given(any_.questions, any_.rule_lists, any_.approvals)
def test_an_explanation_agrees_with_the_decision(
    question: AccessQuestion, rules: list[Rule], approvals: list[Approval]
) -> None:
    compiled = policy.compile(rules)
    explanation = policy.explain(question, compiled, NOW, approvals)
    assert explanation.decision == decide(question, compiled, NOW, approvals)
    assert len(explanation.rules) == len(rules)
    assert [scope.name for scope in explanation.scopes] == list(question.scope_names())
    if question.client_status != "approved":
        return
    for scope in explanation.scopes:
        if scope.denied_by or not scope.permitted_by:
            assert scope.name not in at_best(explanation.decision)
        elif not scope.held_by:
            # A call is one act: what takes another of its scopes away refuses all of it.
            is_refused_whole = question.tool is not None and any(
                other.denied_by or other.held_by for other in explanation.scopes
            )
            assert scope.name in explanation.decision.scopes or is_refused_whole
    for trace in explanation.rules:
        assert (trace.verdict.value == "yes") == (not trace.mismatches)
        is_concerned = trace.verdict.value == "yes" or (
            trace.verdict.value == "not established" and trace.effect != "allow"
        )
        # A rule about calls says nothing against a token of a server that asks before each call.
        if trace.verdict.value == "yes" or question.tool is not None or not question.asks_before_calls:
            assert bool(trace.restricts or trace.permits) == is_concerned
        else:
            assert is_concerned or not (trace.restricts or trace.permits)


@SOME
@given(any_.questions, any_.rule_lists, any_.approvals)
def test_hope_never_falls_short_of_the_decision(
    question: AccessQuestion, rules: list[Rule], approvals: list[Approval]
) -> None:
    from authz.policy.decide import evaluate

    compiled = policy.compile(rules)
    decision = decide(question, compiled, NOW, approvals)
    best = evaluate(question, compiled, NOW, approvals, in_force_at=NOW, best_case=True)
    assert set(decision.scopes) <= set(best.scopes)
    assert at_best(decision) <= at_best(best)


@SOME
@given(any_.questions, any_.rule_lists)
def test_hope_gets_around_no_approval(question: AccessQuestion, rules: list[Rule]) -> None:
    from authz.policy.decide import evaluate

    demands = [require(), require(groups=None)]
    best = evaluate(question, policy.compile([*rules, *demands]), NOW, in_force_at=NOW, best_case=True)
    assert best.effect is not Outcome.ALLOW


def anywhere(rules: list[Rule]) -> policy.RuleSet:
    return policy.compile(policy.without_networks(rules))


@SOME
@given(any_.rule_lists, any_.rule_lists, st.lists(any_.questions, max_size=3))
def test_a_comparison_agrees_with_the_decisions(
    old: list[Rule], new: list[Rule], questions: list[AccessQuestion]
) -> None:
    one, two = policy.compile(old), policy.compile(new)
    changes = policy.compare(one, two, [(question, NOW) for question in questions], NOW)
    expected = []
    for question in questions:
        # A past call comes from a network that isn't known, and counts as a whole.
        was, becomes = (one, two) if question.tool is None else (anywhere(old), anywhere(new))
        before, after = decide(question, was, NOW), decide(question, becomes, NOW)
        same = (before.effect, before.scopes, before.waiting, before.lifetime) == (
            after.effect,
            after.scopes,
            after.waiting,
            after.lifetime,
        )
        if before.effect != after.effect if question.tool else not same:
            expected.append((question, before, after))
    assert [(change.question, change.before, change.after) for change in changes] == expected
