"""Asks, rules and approvals of every kind, over so few names that they often meet."""

from decimal import Decimal
from itertools import permutations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from authz.policy import AccessQuestion, Actor, Approval, ClientKind, ClientStatus, Rule, RuleError, ToolCall, Unusual

from .cast import NOTES, NOW, PAYROLL

# The machine may be busy, so no example has a deadline, and drawing them may take its time.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOME, MANY = settings(_patient, max_examples=30), settings(_patient, max_examples=150)

CLIENTS = ("agent", "other", "https://a.b.example.com/c.json")
PATTERNS = (
    "*",
    "agent",
    "https://a.b.example.com/c.json",
    "host:a.b.example.com",
    "host:*.example.com",
    "host:*.evil.org",
    "tag:x",
    "owner:alice",
    "environment:test",
    "kind:cimd",
    "kind:workload",
)
USERS, GROUPS = ("alice", "bob"), ("engineering", "finance")
GRANTS = ("authorization_code", "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer")
SCOPES = ("read", "write", "delete", "openid", "email")
SENSITIVITIES = ("low", "high")
TOOLS, LABELS = ("get", "get_all", "pay"), ("pii", "payroll")
SCOPE_LABELS = ((), (("read", "pii"),), (("write", "payroll"), ("read", "payroll")))
ARGUMENTS = (
    {"amount": {"below": 100}},
    {"amount": {"at_least": 100}, "to.country": {"one_of": ["DE", "FR"]}},
    {"to.country": {"equals": "DE"}},
    {"path": {"prefix": "/a/"}, "reason": {"present": True}},
)
UNUSUAL = (["first_use"], ["volume"], ["volume", "first_use"])
NETWORKS = ("10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32")


def some(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    """Up to two of the values, in any order; chosen in one draw, since a rule needs many."""
    return st.sampled_from([list(chosen) for size in range(3) for chosen in permutations(values, size)])


def maybe_all(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.just(["*"]) | some(values)


hours = st.fixed_dictionaries(
    {"from": st.just("07:00"), "to": st.sampled_from(("06:00", "08:00", "09:00"))},
    optional={"days": some(("thu", "fri")), "timezone": st.sampled_from(("UTC", "Europe/Berlin"))},
)

conditions = st.fixed_dictionaries(
    {},
    optional={
        "max_auth_age": st.sampled_from((60, 3600)),
        "acr": some(("gold", "silver")),
        "amr": some(("pwd", "otp")),
        "networks": some(NETWORKS),
        "environments": some(("test", "production")),
        "not_before": st.sampled_from(("2027-01-15T07:59:59Z", "2027-01-15T08:00:00Z", "2027-01-15T08:00:01Z")),
        "not_after": st.sampled_from(("2027-01-15T08:00:02Z", "2027-01-16")),
        "hours": hours,
        "arguments": st.sampled_from(ARGUMENTS),
        "unusual": st.sampled_from(UNUSUAL),
    },
)


@st.composite
def _rules(draw: st.DrawFn, effects: tuple[str, ...]) -> Rule:
    shape: dict[str, object] = {
        "name": draw(st.sampled_from("abcdefgh")),
        "effect": draw(st.sampled_from(effects)),
        "clients": draw(maybe_all(PATTERNS)),
        "grant_types": draw(maybe_all((*GRANTS, "refresh_token"))),
        "resources": draw(maybe_all((NOTES, PAYROLL))),
        "scopes": draw(maybe_all(SCOPES)),
        "enabled": draw(st.sampled_from((True, True, True, False))),
    }
    for field, values in (("users", (*USERS, "*")), ("groups", GROUPS)):
        if draw(st.booleans()):
            shape[field] = draw(maybe_all(values) if field == "groups" else some(values))
    if draw(st.integers(0, 2)) == 0:
        shape["through"] = draw(maybe_all((*CLIENTS, "tag:x")))
    if draw(st.integers(0, 3)) == 0:
        shape["sensitivities"] = draw(some(SENSITIVITIES))
    if draw(st.integers(0, 3)) == 0:
        shape["tools"] = draw(maybe_all((*TOOLS, "get_*", "p*")))
    if draw(st.integers(0, 3)) == 0:
        shape["labels"] = draw(some(LABELS))
    if draw(st.booleans()):
        shape["conditions"] = draw(conditions)
    if draw(st.booleans()):
        shape["max_lifetime"] = draw(st.sampled_from((1, 60, 600)))
    # What has no meaning together is left out, as its author would after the error.
    while True:
        try:
            return Rule.from_mapping(shape)
        except RuleError as error:
            top, _, inner = error.field.partition(".")
            if inner:
                shape[top] = {key: value for key, value in dict(shape[top]).items() if key != inner}  # type: ignore[call-overload] # conditions are a mapping
            else:
                del shape[top]


rules = _rules(("allow", "allow", "deny", "require_approval"))
allows = _rules(("allow",))
denies = _rules(("deny",))
requirements = _rules(("require_approval",))
rule_lists = st.lists(rules, max_size=6)


@st.composite
def _calls(draw: st.DrawFn) -> ToolCall:
    arguments: dict[str, object] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "amount": st.sampled_from((99, Decimal("99.9"), 100, Decimal("1e2"), "99", True, None, 2**60)),
                "to": st.sampled_from(({"country": "DE"}, {"country": "de"}, {"country": "US"}, {}, "DE")),
                "path": st.sampled_from(("/a/b", "/a/../b", "/c", 1)),
                "reason": st.sampled_from(("", None, [])),
                "Amount": st.just(1),
            },
        )
    )
    labels = draw(st.sampled_from((None, frozenset(), frozenset({"pii"}), frozenset({"payroll", "pii"}))))
    return ToolCall(
        name=draw(st.sampled_from((*TOOLS, "pay\u200b"))),
        labels=labels,
        arguments=draw(st.sampled_from((arguments, arguments, None))),
        digest=draw(st.sampled_from(("", "this", "that"))),
        unusual=draw(st.sampled_from((None, frozenset(), *(frozenset(map(Unusual, kinds)) for kinds in UNUSUAL)))),
    )


calls = _calls()


actors = st.builds(
    Actor,
    client_id=st.sampled_from(CLIENTS),
    kind=st.just(ClientKind.REGISTERED),
    tags=st.sampled_from(((), ("x",))),
)
paths = st.one_of(st.just(()), st.just(()), st.lists(actors, min_size=1, max_size=2).map(tuple))


@st.composite
def _asks(draw: st.DrawFn) -> AccessQuestion:
    subject = draw(st.sampled_from((None, "", *USERS, *USERS)))
    client_id = draw(st.sampled_from(CLIENTS))
    cimd = client_id.startswith("https:")
    statuses = (*[ClientStatus.APPROVED] * 9, ClientStatus.SUSPENDED)
    kinds = (ClientKind.CIMD,) if cimd else (ClientKind.REGISTERED, ClientKind.DYNAMIC, ClientKind.WORKLOAD)
    return AccessQuestion(
        client_id=client_id,
        client_status=draw(st.sampled_from(statuses)),
        client_kind=draw(st.sampled_from(kinds)),
        client_host=draw(st.sampled_from(("a.b.example.com", "A.b.example.com:8443"))) if cimd else "",
        client_tags=tuple(draw(some(("x", "y")))),
        client_owner=draw(st.sampled_from(("", "alice"))),
        client_environment=draw(st.sampled_from(("", "test", "production"))),
        through=draw(paths),
        subject=subject,
        groups=tuple(draw(some(GROUPS))),
        grant_type=draw(st.sampled_from(GRANTS)),
        refresh=draw(st.booleans()),
        resource=draw(st.sampled_from((NOTES, PAYROLL))),
        scopes=tuple(
            draw(st.lists(st.tuples(st.sampled_from(SCOPES), st.sampled_from(("", *SENSITIVITIES))), max_size=4))
        ),
        acr=draw(st.sampled_from((None, "gold", "silver", "bronze"))),
        amr=tuple(draw(some(("pwd", "otp", "hwk")))),
        auth_time=draw(st.sampled_from((None, NOW - 30, NOW - 600, NOW - 7200, NOW + 600))),
        address=draw(st.sampled_from((None, "10.1.2.3", "192.0.2.1", "::ffff:10.0.0.1", "2001:db8::1", "nowhere"))),
        labels=draw(st.sampled_from(((), (), ("pii",), None))),
        scope_labels=tuple(
            draw(st.sampled_from(((), (("read", "pii"),), (("write", "payroll"), ("read", "payroll")))))
        ),
        tool_labels=tuple(draw(st.sampled_from(((), ("pii",), ("payroll",))))),
        asks_before_calls=draw(st.booleans()),
        tool=draw(st.none() | calls),
    )


questions = _asks()


@st.composite
def _approvals(draw: st.DrawFn) -> Approval:
    return Approval(
        id=draw(st.sampled_from(("1", "2", "3"))),
        client_id=draw(st.sampled_from(CLIENTS)),
        subject=draw(st.sampled_from((None, *USERS))),
        resource=draw(st.sampled_from((NOTES, PAYROLL))),
        scopes=tuple(draw(some(SCOPES))),
        declined=tuple(draw(some(SCOPES))),
        grant_types=tuple(draw(maybe_all(GRANTS))),
        through=draw(st.sampled_from(((), (), ("agent",)))),
        call=draw(st.sampled_from(("", "", "this", "that"))),
        not_before=NOW + draw(st.sampled_from((-60, 0, 60))),
        expires=NOW + draw(st.sampled_from((0, 1, 600))),
    )


approvals = st.lists(_approvals(), max_size=3)
