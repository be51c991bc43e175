"""Decisions by the stored rules and approvals: at a request, and again at introspection."""

import time
from dataclasses import replace

from authz.approvals import access_requests
from authz.decisions.extension_answers import answered
from authz.decisions.rules import cached_rules, cached_rules_anywhere
from authz.policy import AccessQuestion, Approval, Decision, Effect, Outcome, RuleSet, decide, decide_sign_in
from authz.telemetry import metrics, tracing


def evaluate(question: AccessQuestion, now: float) -> Decision:
    """The decision on a question for a protected resource. `now` is in seconds since the epoch."""
    return _decided(question, cached_rules(), now)


def evaluate_sign_in(question: AccessQuestion, now: float) -> Decision:
    """The decision on identity scopes, which are this server's own."""
    asked = answered(question, cached_rules(), now, anywhere=True)
    return decide_sign_in(asked, cached_rules(), now, approvals_for(asked, cached_rules(), now))


def evaluate_either(question: AccessQuestion, now: float) -> Decision:
    """The decision on a question for a resource; without a resource, on a sign-in alone."""
    return evaluate(question, now) if question.resource else evaluate_sign_in(question, now)


def _decided(question: AccessQuestion, rules: RuleSet, now: float) -> Decision:
    question = answered(question, rules, now)
    began = time.perf_counter()
    with tracing.span("decide"):
        decision = decide(question, rules, now)
    metrics.POLICY_SECONDS.observe(time.perf_counter() - began)
    # An approval only lifts a wait, so approvals are read only where a scope waits.
    if decision.effect is not Outcome.PENDING:
        return decision
    return decide(question, rules, now, approvals_for(question, rules, now))


def approvals_for(question: AccessQuestion, rules: RuleSet, now: float) -> tuple[Approval, ...]:
    """The live answers of people that may matter to a question; none is read where no rule requires an approval."""
    return access_requests.approvals_for(question, now) if rules.effects[Effect.REQUIRE_APPROVAL] else ()


def still_allowed(question: AccessQuestion, *, issued_at: float, now: float, is_bound: bool) -> bool:
    """Whether what was issued at `issued_at` would still be allowed as a whole, for introspection. `is_bound`: to a key
    that its client shows.

    The sign-in is as old as it was then. Networks count for nothing: the resource server that introspects is in another
    one than the agent. All else (rules, groups, status, approvals) is as of now.
    """
    return set(question.scope_names()) <= allowed_scopes(question, issued_at=issued_at, now=now, is_bound=is_bound)


def allowed_scopes(question: AccessQuestion, *, issued_at: float, now: float, is_bound: bool) -> frozenset[str]:
    """Of the scopes of what was issued at `issued_at`, those that would still be allowed, for introspection."""
    at_issue, rules = as_of_issue(question, issued_at=issued_at, now=now), cached_rules_anywhere()
    if question.resource:
        decision = _decided(at_issue, rules, now)
    else:
        at_issue = answered(at_issue, rules, now, anywhere=True)
        decision = decide_sign_in(at_issue, rules, now, approvals_for(at_issue, rules, now))
    if decision.proof_of_possession and not is_bound:
        return frozenset()
    # Scopes that are granted beside a wait count: each scope of a token is decided by itself.
    return frozenset(decision.scopes)


def as_of_issue(question: AccessQuestion, *, issued_at: float, now: float) -> AccessQuestion:
    """The question with a sign-in that is as old as it was at `issued_at`."""
    if question.auth_time is None:
        return question
    return replace(question, auth_time=question.auth_time + (now - issued_at))


def evaluate_anywhere(question: AccessQuestion, now: float) -> Decision:
    """The decision on what a holder of a token does in a network that isn't known here."""
    return _decided(question, cached_rules_anywhere(), now)
