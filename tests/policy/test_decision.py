"""What a decision says beside its outcome: lifetime, rules, approvals, the sign-in that would help, the version."""

import dataclasses

import pytest

from authz import policy

from .cast import NOW, allow, approval, deny, machine, question, require


def decided(
    rules: list[policy.Rule], asked: policy.AccessQuestion, approvals: tuple[policy.Approval, ...] = ()
) -> policy.Decision:
    return policy.decide(asked, policy.compile(rules, "v1"), NOW, approvals)


LIFETIMES = [
    ("no cap", [allow()], (), None),
    ("a cap", [allow(max_lifetime=600)], (), 600),
    ("the smallest cap", [allow(name="a", max_lifetime=600), allow(name="b", max_lifetime=300)], (), 300),
    ("an allow without a cap lifts none", [allow(name="a", max_lifetime=600), allow(name="b")], (), 600),
    ("a rule about other scopes caps nothing", [allow("read"), allow("delete", name="b", max_lifetime=5)], (), None),
    ("a rule about one scope caps the token", [allow("read"), allow("write", name="b", max_lifetime=5)], (), 5),
    ("a rule that doesn't match caps nothing", [allow(), allow(name="b", users=["alice"], max_lifetime=5)], (), None),
    ("what is left of the rule's validity", [allow(not_after="2027-01-15T08:01:40Z")], (), 100),
    ("whichever is sooner", [allow(not_after="2027-01-15T08:01:40Z", max_lifetime=99)], (), 99),
    ("part of a second is rounded down", [allow(not_after="2027-01-15T08:00:02.900Z")], (), 2),
    ("but never to nothing", [allow(not_after="2027-01-15T08:00:00.500Z")], (), 1),
    ("what is left of the approval", [require()], (approval("read write", expires=NOW + 70),), 70),
    (
        "the approval that lasts longest",
        [require()],
        (approval("read write", id="a", expires=NOW + 70), approval("read write", id="b", expires=NOW + 90)),
        90,
    ),
    (
        "the approval that ends first, if both are needed",
        [require()],
        (approval("read", id="a", expires=NOW + 70), approval("write", id="b", expires=NOW + 90)),
        70,
    ),
    ("an approval that isn't needed caps nothing", [allow()], (approval("read", expires=NOW + 70),), None),
    ("the cap of what was approved", [allow(), require(max_lifetime=60)], (approval("read write"),), 60),
    (
        "the cap of a restriction that isn't established",
        [allow(), require(max_lifetime=60, networks=["10.0.0.0/8"])],
        (approval("read write"),),
        60,
    ),
]


@pytest.mark.parametrize(("idea", "rules", "approvals", "lifetime"), LIFETIMES, ids=[row[0] for row in LIFETIMES])
def test_it_caps_the_lifetime(
    idea: str, rules: list[policy.Rule], approvals: tuple[policy.Approval, ...], lifetime: int | None
) -> None:
    decision = decided(rules, question("read write"), approvals)
    assert (decision.effect, decision.lifetime) == (policy.Outcome.ALLOW, lifetime)


def test_a_refusal_and_a_wait_have_no_lifetime() -> None:
    assert decided([require(max_lifetime=60)], question()).lifetime is None
    assert decided([allow(max_lifetime=60), deny()], question()).lifetime is None


def test_an_allow_names_the_rules_that_permitted_and_those_that_narrowed() -> None:
    rules = [
        allow("read", name="readers"),
        allow("*", name="all"),
        allow("delete", name="deleters"),
        allow("read", name="for Alice", users=["alice"]),
        deny("write", name="no writing"),
        deny("delete", name="no deleting"),
    ]
    decision = decided(rules, question("read write"))
    assert decision == policy.Decision(
        effect=policy.Outcome.ALLOW,
        reason=policy.DecisionReason.NARROWED,
        scopes=("read",),
        rules=("all", "readers"),
        narrowed_by=("no writing",),
        ruleset="v1",
    )


def test_a_whole_allow_has_its_own_reason() -> None:
    assert decided([allow(name="all")], question("read")) == policy.Decision(
        effect=policy.Outcome.ALLOW,
        reason=policy.DecisionReason.ALLOWED,
        scopes=("read",),
        rules=("all",),
        ruleset="v1",
    )


def test_a_denial_names_the_rules_that_denied() -> None:
    rules = [allow(), deny(name="b"), deny("read", name="a"), deny("write", name="c")]
    assert decided(rules, question("read")) == policy.Decision(
        effect=policy.Outcome.DENY,
        reason=policy.DecisionReason.DENIED_BY_RULE,
        rules=("a", "b"),
        ruleset="v1",
    )


def test_a_wait_names_the_rules_that_hold_and_those_that_narrowed() -> None:
    rules = [allow(), require("write", name="review"), require("delete", name="other"), deny("delete", name="never")]
    assert decided(rules, question("delete write read")) == policy.Decision(
        effect=policy.Outcome.PENDING,
        reason=policy.DecisionReason.APPROVAL_NEEDED,
        scopes=("read",),
        waiting=("write",),
        rules=("review",),
        narrowed_by=("never",),
        ruleset="v1",
    )


def test_an_approved_ask_names_its_approvals_and_every_rule_it_stands_on() -> None:
    approvals = (approval("write", id="2"), approval("read", id="1"), approval("delete", id="3"))
    decision = decided([allow(), require(name="review")], question("read write"), approvals)
    assert (decision.approvals, decision.rules) == (("1", "2"), ("allow", "review"))


def test_of_two_approvals_that_end_together_it_names_one() -> None:
    decisions = {
        decided([require()], question(), tuple(approvals)).approvals
        for approvals in (
            [approval("read", id="a"), approval("read", id="b")],
            [approval("read", id="b"), approval("read", id="a")],
        )
    }
    assert decisions == {("b",)}


def test_a_declined_ask_names_what_declined_it() -> None:
    declined = (approval("", id="no", declined=("read",)), approval("", id="other", declined=("write",)))
    assert decided([require()], question(), declined) == policy.Decision(
        effect=policy.Outcome.DENY,
        reason=policy.DecisionReason.APPROVAL_DECLINED,
        approvals=("no",),
        ruleset="v1",
    )


def test_a_denial_by_rule_outranks_a_decline_and_names_it_too() -> None:
    declined = (approval("", id="no", declined=("read",)),)
    decision = decided([require(), deny("write")], question("read write"), declined)
    assert (decision.reason, decision.rules, decision.approvals) == ("denied_by_rule", ("deny",), ("no",))


def test_default_deny_names_no_rule() -> None:
    assert decided([allow("write")], question("read")) == policy.Decision(
        effect=policy.Outcome.DENY, reason=policy.DecisionReason.NO_RULE_ALLOWS, ruleset="v1"
    )


def test_a_refusal_before_the_rules_still_names_their_version() -> None:
    suspended = question(client_status=policy.ClientStatus.SUSPENDED)
    assert decided([allow()], suspended).ruleset == decided([allow()], question("")).ruleset == "v1"


def test_a_rule_that_has_nothing_to_do_with_it_is_not_named() -> None:
    decision = decided([allow(name="a", users=["alice"], max_lifetime=5), allow(name="b")], question())
    assert (decision.rules, decision.lifetime) == (("b",), None)


def test_every_scope_adds_its_rules() -> None:
    scopes = [("read", "b"), ("write", "a"), ("delete", "c")]
    asked = question("write read delete")
    assert decided([allow(scope, name=name) for scope, name in scopes], asked).rules == ("a", "b", "c")
    assert decided([require(scope, name=name) for scope, name in scopes], asked).rules == ("a", "b", "c")
    denies = [deny(scope, name=name) for scope, name in scopes]
    assert decided([allow(), *denies], asked).rules == ("a", "b", "c")


def test_two_rules_of_one_name_are_named_once() -> None:
    assert decided([allow("read"), allow("read write")], question()).rules == ("allow",)


def test_step_up_says_all_that_the_rule_demands() -> None:
    rule = allow(name="gold", acr=["gold", "platinum"], amr=["otp"], max_auth_age=60)
    decision = decided([rule], question(acr="gold", auth_time=NOW))
    assert decision == policy.Decision(
        effect=policy.Outcome.DENY,
        reason=policy.DecisionReason.STEP_UP_NEEDED,
        step_up=policy.StepUp(rule="gold", max_auth_age=60, acr=("gold", "platinum"), amr=("otp",)),
        ruleset="v1",
    )


def test_step_up_stands_beside_a_narrowed_allow_and_beside_a_wait() -> None:
    rules = [allow("read", name="a"), allow("write", name="b", max_auth_age=60), require("delete", name="c")]
    step_up = policy.StepUp(rule="b", max_auth_age=60, acr=(), amr=())
    assert decided(rules, question("read write")).step_up == step_up
    assert decided(rules, question("delete write")).step_up == step_up


def test_step_up_is_silent_when_nothing_is_missed() -> None:
    assert decided([allow(name="a"), allow(name="b", acr=["gold"])], question()).step_up is None


def test_step_up_is_silent_about_a_scope_that_is_denied() -> None:
    decision = decided([allow("read", name="a"), allow(name="b", acr=["gold"]), deny("write")], question("read write"))
    assert (decision.step_up, decision.narrowed_by) == (None, ("deny",))


def test_a_refusal_for_a_better_sign_in_also_names_the_denies() -> None:
    decision = decided([allow(name="a", acr=["gold"]), deny("write")], question("read write"))
    assert (decision.reason, decision.rules, decision.narrowed_by) == ("step_up_needed", (), ("deny",))


def test_step_up_is_never_asked_of_a_machine() -> None:
    demanding = dataclasses.replace(allow(groups=None), conditions=policy.Conditions(max_auth_age=60))
    decision = decided([demanding], machine())
    assert (decision.reason, decision.step_up) == ("no_rule_allows", None)


STEP_UPS = [
    (
        "the one that gets more scopes",
        {"a": ("read", {"acr": ["x"]}), "b": ("read write", {"acr": ["y"], "amr": ["z"]})},
        "b",
    ),
    (
        "a recent sign-in rather than another method",
        {"a": ("read", {"amr": ["otp"]}), "b": ("read", {"max_auth_age": 5})},
        "b",
    ),
    (
        "a recent sign-in rather than another acr",
        {"a": ("read", {"acr": ["gold"]}), "b": ("read", {"max_auth_age": 5})},
        "b",
    ),
    ("one method rather than two", {"a": ("read", {"amr": ["otp", "pwd"]}), "b": ("read", {"amr": ["otp"]})}, "b"),
    ("the longer age", {"a": ("read", {"max_auth_age": 60}), "b": ("read", {"max_auth_age": 600})}, "b"),
    ("no age rather than one", {"a": ("read", {"acr": ["x"], "max_auth_age": 60}), "b": ("read", {"acr": ["x"]})}, "b"),
    ("the first by name among equals", {"b": ("read", {"acr": ["x"]}), "a": ("read", {"acr": ["y"]})}, "a"),
]


@pytest.mark.parametrize(("idea", "demands", "chosen"), STEP_UPS, ids=[row[0] for row in STEP_UPS])
def test_step_up_takes(idea: str, demands: dict[str, tuple[str, dict[str, object]]], chosen: str) -> None:
    rules = [allow(scopes, name=name, **conditions) for name, (scopes, conditions) in demands.items()]
    step_up = decided(rules, question("read write")).step_up
    assert step_up is not None
    assert step_up.rule == chosen


def test_equal_rules_have_equal_versions_in_any_order() -> None:
    one, two = allow(name="one"), deny(name="two")
    assert policy.compile([one, two]).version == policy.compile([two, one]).version
    assert len(policy.compile([]).version) == 32


@pytest.mark.parametrize(
    "changed",
    [
        deny(name="one"),
        allow(name="other"),
        allow("read", name="one"),
        allow(name="one", enabled=False),
        allow(name="one", max_auth_age=5),
        allow(name="one", version=2),
        allow(name="one", id="7"),
    ],
)
def test_another_rule_is_another_version(changed: policy.Rule) -> None:
    assert policy.compile([changed]).version != policy.compile([allow(name="one")]).version


def test_the_same_rule_twice_is_another_version_but_the_same_decision() -> None:
    once, twice = policy.compile([allow()]), policy.compile([allow(), allow()])
    assert once.version != twice.version
    assert policy.decide(question(), once, NOW).scopes == policy.decide(question(), twice, NOW).scopes


def test_values_are_frozen() -> None:
    values = [
        decided([allow()], question()),
        question(),
        allow(),
        policy.Conditions(),
        approval("read"),
        policy.compile([]),
    ]
    for value in values:
        for field in dataclasses.fields(value):  # type: ignore[arg-type] # each of them is a dataclass
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, field.name, None)
