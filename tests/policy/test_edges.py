"""Edges that only mutants had found."""

import pytest

from authz import policy
from authz.policy import RuleStatus, decide, decide_sign_in
from authz.policy.explain import rule_status

from .cast import NOW, allow, approval, question, require, told

BEGINS = {"not_before": "2027-01-15T08:00:00Z"}
ENDS = {"not_after": "2027-01-15T08:00:00Z"}


@pytest.mark.parametrize(("rules", "said"), [(("require_approval",), "allowed: read"), (("another",), "waits: read")])
def test_an_approval_answers_exactly_the_rules_that_asked_for_it(rules: tuple[str, ...], said: str) -> None:
    assert told(decide(question(), policy.compile([require()]), NOW, [approval("read", rules=rules)])) == said


@pytest.mark.parametrize(("until", "reason"), [(NOW, "client_not_approved"), (NOW + 1, "allowed")])
def test_no_one_signs_in_to_a_client_whose_approval_has_ended(until: float, reason: str) -> None:
    assert decide_sign_in(question("openid", client_until=until), policy.compile([allow()]), NOW).reason == reason


def test_a_refusal_keeps_its_ask() -> None:
    for asked in (question(client_status=policy.ClientStatus.SUSPENDED), question("")):
        assert decide(asked, policy.compile([]), NOW).question is asked


@pytest.mark.parametrize(
    ("rule", "at", "expected"),
    [
        (allow(), NOW, RuleStatus.IN_FORCE),
        (allow(enabled=False), NOW, RuleStatus.SWITCHED_OFF),
        (allow(**BEGINS), NOW - 1, RuleStatus.NOT_YET),
        (allow(**BEGINS), NOW, RuleStatus.IN_FORCE),
        (allow(**ENDS), NOW - 1, RuleStatus.IN_FORCE),
        (allow(**ENDS), NOW, RuleStatus.ENDED),
    ],
)
def test_when_a_rule_is_in_force(rule: policy.Rule, at: float, expected: RuleStatus) -> None:
    assert rule_status(rule, at) is expected
    assert policy.explain(question(), policy.compile([rule]), at).rules[0].status is expected
