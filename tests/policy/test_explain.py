"""Explanations: each rule, whether it matched, and if not, on which field, asked against wanted."""

import dataclasses
import json

import pytest

from authz import policy

from .cast import NOTES, NOW, PAYROLL, allow, approval, cimd, deny, machine, question, require

UNCONDITIONAL_ASK = question(
    client_tags=("office",), client_owner="alice", client_environment="test", address="192.0.2.7", acr="silver"
)
HOURS = {"from": "09:00", "to": "18:00", "timezone": "UTC", "days": ["mon", "fri"]}
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

# rule · question · (field, asked, wanted, established) of each mismatch
MISMATCHES = [
    (allow(), question(), []),
    (allow(enabled=False), question(), [("enabled", "2027-01-15T08:00:00Z", "the rule is switched off", True)]),
    (
        allow(clients=["other", "tag:finance"]),
        UNCONDITIONAL_ASK,
        [
            (
                "clients",
                "agent, kind:registered, tag:office, owner:alice, environment:test",
                "other or agents tagged finance",
                True,
            )
        ],
    ),
    (
        allow(clients=["host:*.example.org"]),
        cimd("a.Example.com:8443"),
        [
            (
                "clients",
                "https://a.Example.com:8443/client.json, kind:cimd, host:a.example.com",
                "agents of hosts below example.org",
                True,
            )
        ],
    ),
    (allow(clients=[]), question(), [("clients", "agent, kind:registered", "no agent", True)]),
    (allow(users=["alice"]), question(), [("subject", "bob, member of engineering", "alice", True)]),
    (
        allow(users=["alice"], groups=["finance", "law"]),
        question(groups=()),
        [("subject", "bob, in no group", "alice or members of finance or law", True)],
    ),
    (allow(groups=[]), question(groups=("a", "b")), [("subject", "bob, member of a, b", "no one", True)]),
    (allow(groups=None), question(), [("subject", "bob, member of engineering", "machines", True)]),
    (allow(), machine(), [("subject", "a machine", "any signed-in person", True)]),
    (allow(), question(subject=""), [("subject", "unknown", "any signed-in person", True)]),
    (
        allow(grant_types=["client_credentials", JWT_BEARER]),
        question(),
        [("grant_types", "authorization_code", "client credentials or an identity assertion", True)],
    ),
    (
        allow(grant_types=["client_credentials"]),
        question(refresh=True),
        [("grant_types", "authorization_code, refresh_token", "client credentials", True)],
    ),
    (allow(grant_types=[]), question(), [("grant_types", "authorization_code", "no grant", True)]),
    (allow(resources=[PAYROLL]), question(), [("resources", NOTES, PAYROLL, True)]),
    (allow(resources=[]), question(), [("resources", NOTES, "no server", True)]),
    (allow("write"), question("read odd"), [("scopes", "read (low), odd (unknown)", "the scope write", True)]),
    (allow(""), question(), [("scopes", "read (low)", "no scope", True)]),
    (allow(sensitivities=[]), question(), [("scopes", "read (low)", "no scope", True)]),
    (
        allow(sensitivities=["low", "high"]),
        question("odd"),
        [("scopes", "odd (unknown)", "every scope of low or high sensitivity", False)],
    ),
    (allow(sensitivities=["low"]), question("odd read"), []),
    (
        allow(sensitivities=["medium"]),
        question("odd read"),
        [("scopes", "odd (unknown), read (low)", "every scope of medium sensitivity", False)],
    ),
    (
        allow(not_before="2027-01-16"),
        question(),
        [("not_before", "2027-01-15T08:00:00Z", "from 2027-01-16T00:00:00Z", True)],
    ),
    (
        allow(not_after="2027-01-15T07:00:00Z"),
        question(),
        [("not_after", "2027-01-15T08:00:00Z", "until 2027-01-15T07:00:00Z", True)],
    ),
    (
        allow(environments=["production", "test"]),
        question(),
        [("environments", "unknown", "the agent is in production or test", False)],
    ),
    (
        allow(environments=["production"]),
        UNCONDITIONAL_ASK,
        [("environments", "test", "the agent is in production", True)],
    ),
    (allow(networks=["10.0.0.0/8"]), question(), [("networks", "unknown", "the request comes from 10.0.0.0/8", False)]),
    (
        deny(networks=["10.0.0.0/8", "::1"]),
        UNCONDITIONAL_ASK,
        [("networks", "192.0.2.7", "the request comes from 10.0.0.0/8 or ::1/128", True)],
    ),
    (
        allow(hours=HOURS),
        question(),
        [("hours", "2027-01-15T08:00:00Z", "it is between 09:00 and 18:00 in UTC on mon or fri", True)],
    ),
    (allow(acr=["gold"]), question(), [("acr", "unknown", "the sign-in’s acr is gold", False)]),
    (allow(acr=["gold"]), UNCONDITIONAL_ASK, [("acr", "silver", "the sign-in’s acr is gold", True)]),
    (
        allow(amr=["otp", "pwd"]),
        question(amr=("pwd", "sms")),
        [("amr", "pwd, sms", "the sign-in used otp and pwd", False)],
    ),
    (deny(amr=["otp", "pwd"]), question(), [("amr", "unknown", "the sign-in used otp or pwd", False)]),
    (allow(max_auth_age=60), question(), [("max_auth_age", "unknown", "the sign-in is at most 1 minute old", False)]),
    (
        allow(max_auth_age=7200),
        question(auth_time=NOW - 7201.4),
        [("max_auth_age", "signed in 7201 seconds ago", "the sign-in is at most 2 hours old", False)],
    ),
    (
        allow("write", users=["alice"], acr=["gold"]),
        question(),
        [
            ("subject", "bob, member of engineering", "alice", True),
            ("scopes", "read (low)", "the scope write", True),
            ("acr", "unknown", "the sign-in’s acr is gold", False),
        ],
    ),
]


@pytest.mark.parametrize(("rule", "asked", "expected"), MISMATCHES)
def test_it_says_on_which_field_a_rule_missed(
    rule: policy.Rule, asked: policy.AccessQuestion, expected: list[tuple[str, str, str, bool]]
) -> None:
    (trace,) = policy.explain(asked, policy.compile([rule]), NOW).rules
    assert [dataclasses.astuple(mismatch) for mismatch in trace.mismatches] == expected


# rule · question · verdict · restricts · permits
TRACES = [
    (allow("read"), question("read write"), "yes", (), ("read",)),
    (deny("read"), question("read write"), "yes", ("read",), ()),
    (require("read"), question("read write"), "yes", ("read",), ("read",)),
    (allow("delete"), question("read write"), "no", (), ()),
    (deny("delete"), question("read write"), "no", (), ()),
    (allow(acr=["gold"]), question(), "not established", (), ()),
    (deny(acr=["gold"]), question(), "not established", ("read",), ()),
    (require(acr=["gold"]), question(), "not established", ("read",), ()),
    (allow(acr=["gold"]), question(acr="gold"), "yes", (), ("read",)),
    (deny(acr=["gold"]), question(acr="silver"), "no", (), ()),
    (allow(sensitivities=["high"]), question("read write odd"), "yes", (), ("write",)),
    (deny(sensitivities=["high"]), question("read write odd"), "yes", ("write", "odd"), ()),
    (require(sensitivities=["high"]), question("read write odd"), "yes", ("write", "odd"), ("write",)),
    (deny(users=["alice"]), question(), "no", (), ()),
    (allow(users=["*"]), question(), "yes", (), ("read",)),
    (allow(users=["bob"], groups=["law"]), question(), "yes", (), ("read",)),
    (allow(users=["alice"], groups=["law", "engineering"]), question(), "yes", (), ("read",)),
    (allow(groups=None), machine(), "yes", (), ("read",)),
    (deny(enabled=False), question(), "no", (), ()),
]


@pytest.mark.parametrize(("rule", "asked", "verdict", "restricts", "permits"), TRACES)
def test_it_says_what_a_rule_does_to_an_ask(
    rule: policy.Rule, asked: policy.AccessQuestion, verdict: str, restricts: tuple[str, ...], permits: tuple[str, ...]
) -> None:
    (trace,) = policy.explain(asked, policy.compile([rule]), NOW).rules
    assert (trace.verdict.value, trace.restricts, trace.permits) == (verdict, restricts, permits)


def test_it_names_the_rule_and_says_it_in_a_sentence() -> None:
    (trace,) = policy.explain(question(), policy.compile([allow(name="All", id="7")]), NOW).rules
    assert (trace.name, trace.id, trace.effect) == ("All", "7", policy.Effect.ALLOW)
    assert trace.rule == allow(name="All", id="7")
    assert trace.sentence == policy.sentence(allow())


def test_it_says_of_each_scope_who_denied_held_and_permitted_it() -> None:
    rules = [
        allow(name="all"),
        allow("read", name="readers"),
        deny("write", name="no writing"),
        require("read", name="review"),
    ]
    explanation = policy.explain(question("read write odd"), policy.compile(rules), NOW)
    assert [
        (scope.name, scope.sensitivity, scope.denied_by, scope.held_by, scope.permitted_by)
        for scope in explanation.scopes
    ] == [
        ("read", "low", (), ("review",), ("all", "readers", "review")),
        ("write", "high", ("no writing",), (), ("all",)),
        ("odd", "", (), (), ("all",)),
    ]


PAY = policy.ToolCall(name="pay", labels=frozenset())
SUSPENDED = policy.ClientStatus.SUSPENDED
DECLINED = approval("", declined=("read",))

# rules · question · approvals · what is said of the scope “read”, and the roles of the rules, by name
SCOPES: list[tuple[list[policy.Rule], policy.AccessQuestion, list[policy.Approval], str, dict[str, str]]] = [
    ([allow(name="a")], question(), [], "permitted by “a”", {"a": "permits"}),
    (
        [allow(name="a"), allow("read", name="b")],
        question(),
        [],
        "permitted by “a”, “b”",
        {"a": "permits", "b": "permits"},
    ),
    ([deny(name="d")], question(), [], "denied by “d”", {"d": "denies"}),
    (
        [allow(name="a"), deny("read", name="d")],
        question("read write"),
        [],
        "denied by “d”, which outweighs “a”",
        {"a": "permits", "d": "denies"},
    ),
    (
        [require(name="r"), allow(name="a")],
        question(),
        [],
        "waits for an approval, which “r” requires",
        {"r": "requires approval", "a": "permits"},
    ),
    (
        [require(name="r"), require("read", name="s")],
        question(),
        [],
        "waits for an approval, which “r”, “s” require",
        {"r": "requires approval", "s": "requires approval"},
    ),
    (
        [require(name="r")],
        question(),
        [approval("read")],
        "permitted by “r” after an approval",
        {"r": "requires approval"},
    ),
    (
        [require(name="r")],
        question(),
        [DECLINED],
        "not granted: an approver declined what “r” asks for",
        {"r": "requires approval"},
    ),
    (
        [allow(name="a", acr=["gold"])],
        question(),
        [],
        "not granted: “a” would permit it after a stronger or fresher sign-in",
        {"a": "permits after a step-up"},
    ),
    # A machine has no sign-in that could be a stronger one, and a denial is not lifted by one.
    ([allow(name="a", acr=["gold"])], machine(), [], "not granted: no rule permits it", {"a": "does not apply"}),
    (
        [deny(name="d", acr=["weak"])],
        question(acr="gold"),
        [],
        "not granted: no rule permits it",
        {"d": "does not apply"},
    ),
    (
        [allow(name="a", acr=["gold"], users=["alice"])],
        question(),
        [],
        "not granted: no rule permits it",
        {"a": "does not apply"},
    ),
    ([allow("write", name="a")], question(), [], "not granted: no rule permits it", {"a": "does not apply"}),
    ([deny(name="d", acr=["weak"])], question(), [], "denied by “d”", {"d": "denies"}),
    (
        [allow(name="a")],
        question(client_status=SUSPENDED),
        [],
        "not granted: the agent is not approved, so no rule is asked",
        {"a": "permits"},
    ),
    (
        [allow(name="a"), deny("write", name="d")],
        question("read write", tool=PAY),
        [],
        "not granted: permitted by “a”, but a call is decided as a whole",
        {"a": "permits", "d": "denies"},
    ),
    # Beside a scope that waits, another one is to be had at once.
    (
        [allow(name="a"), require("write", name="r")],
        question("read write"),
        [],
        "permitted by “a”",
        {"a": "permits", "r": "requires approval"},
    ),
]


@pytest.mark.parametrize(("rules", "asked", "approvals", "said", "roles"), SCOPES)
def test_it_says_of_each_scope_which_rule_decided_and_of_each_rule_what_it_does(
    rules: list[policy.Rule],
    asked: policy.AccessQuestion,
    approvals: list[policy.Approval],
    said: str,
    roles: dict[str, str],
) -> None:
    found = policy.explain(asked, policy.compile(rules), NOW, approvals)
    assert policy.scope_sentence(found.scopes[0]) == said
    assert {trace.name: trace.role.value for trace in found.rules} == roles


def test_a_sign_in_is_explained_as_it_is_decided() -> None:
    asked = question("openid", resource="")
    found = policy.explain(asked, policy.compile([allow(name="a")]), NOW, decided_by=policy.decide_sign_in)
    assert found.decision.effect is policy.Outcome.ALLOW
    assert policy.scope_sentence(found.scopes[0]) == "permitted by “a”"


def test_it_decides_with_the_approvals_given() -> None:
    explanation = policy.explain(question(), policy.compile([require()]), NOW, [approval("read")])
    assert explanation.decision.approvals == ("approval",)
    assert explanation.question == question()


def test_rules_that_match_come_first_and_near_misses_next() -> None:
    rules = [
        allow(name="a", users=["alice"], resources=[PAYROLL]),
        allow(name="b", users=["alice"]),
        allow(name="c"),
        allow(name="d", resources=[PAYROLL]),
    ]
    assert [trace.name for trace in policy.explain(question(), policy.compile(rules), NOW).rules] == [
        "c",
        "b",
        "d",
        "a",
    ]


def test_a_client_that_is_not_approved_is_told_from_the_rules() -> None:
    explanation = policy.explain(
        question(client_status=policy.ClientStatus.SUSPENDED), policy.compile([allow(name="all")]), NOW
    )
    assert explanation.decision.reason is policy.DecisionReason.CLIENT_NOT_APPROVED
    assert explanation.scopes[0].permitted_by == ("all",)


def test_a_contradiction_in_the_ask_is_shown_as_unknown() -> None:
    asked = dataclasses.replace(question(), scopes=(("read", "low"), ("read", "high")))
    explanation = policy.explain(asked, policy.compile([deny(sensitivities=["high"])]), NOW)
    assert [(scope.sensitivity, scope.denied_by) for scope in explanation.scopes] == [("", ("deny",))]


def test_it_is_plain_data() -> None:
    explanation = policy.explain(question("read"), policy.compile([allow(), deny(acr=["weak"])]), NOW)
    written = json.loads(json.dumps(dataclasses.asdict(explanation), default=lambda verdict: verdict.value))
    assert written["decision"]["reason"] == "denied_by_rule"
    assert written["rules"][1]["mismatches"][0]["field"] == "acr"
