"""Reading rules: what is understood, and that everything else is refused by its field and in words."""

import time
from datetime import UTC, date, datetime
from ipaddress import ip_network
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from authz import policy
from authz.policy import Conditions, Effect, Hours, Rule, RuleError
from authz.policy.approvers import phrase

from .cast import NOTES, allow
from .strategies import SOME
from .strategies import rules as any_rules

SHAPE: dict[str, object] = {
    "name": "Engineers",
    "effect": "allow",
    "clients": ["*"],
    "groups": ["engineering"],
    "grant_types": ["*"],
    "resources": [NOTES],
    "scopes": ["read"],
}


def test_it_reads_the_shape_of_the_configuration_file() -> None:
    shape = yaml.safe_load("""
        name: Engineers may use approved agents on Notes
        effect: allow
        clients: ["*"]
        groups: [engineering]
        grant_types: ["*"]
        resources: [http://127.0.0.1:9200/mcp]
        scopes: ["mcp:read"]
        conditions:
          {max_auth_age: 3600, acr: [], amr: [], networks: [], environments: [], not_before: null, not_after: null}
        max_lifetime: 600
    """)
    assert Rule.from_mapping(shape) == Rule(
        name="Engineers may use approved agents on Notes",
        effect=Effect.ALLOW,
        clients=("*",),
        users=None,
        groups=("engineering",),
        grant_types=("*",),
        resources=("http://127.0.0.1:9200/mcp",),
        scopes=("mcp:read",),
        sensitivities=None,
        conditions=Conditions(max_auth_age=3600),
        max_lifetime=600,
        enabled=True,
        id="",
        version=1,
    )


def test_it_reads_every_field() -> None:
    shape = yaml.safe_load("""
        name: All of it
        effect: require_approval
        clients: ["HOST", "agent", "host:*.Example.com", "tag:x", "owner:alice", "environment:test", "kind:cimd"]
        users: [alice, bob]
        groups: [Domain Users]
        grant_types: [authorization_code, "urn:ietf:params:oauth:grant-type:jwt-bearer"]
        resources: [https://notes.example.com/mcp, "urn:example:server"]
        scopes: ["mcp:read", openid]
        sensitivities: [high]
        conditions:
          max_auth_age: 1
          acr: [gold]
          amr: [otp, hwk]
          networks: [10.0.0.0/8, "2001:db8::/32", 192.0.2.1]
          environments: [production]
          not_before: 2027-01-01
          not_after: 2027-01-31T18:00:00+02:00
          hours: {days: [fri, mon], from: "08:00", to: "18:30", timezone: Europe/Berlin}
        max_lifetime: 1
        enabled: false
        id: 7
        version: 3
    """)
    assert Rule.from_mapping(shape) == Rule(
        name="All of it",
        effect=Effect.REQUIRE_APPROVAL,
        clients=("HOST", "agent", "host:*.example.com", "tag:x", "owner:alice", "environment:test", "kind:cimd"),
        users=("alice", "bob"),
        groups=("Domain Users",),
        grant_types=("authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        resources=(NOTES, "urn:example:server"),
        scopes=("mcp:read", "openid"),
        sensitivities=("high",),
        conditions=Conditions(
            max_auth_age=1,
            acr=("gold",),
            amr=("otp", "hwk"),
            networks=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"), ip_network("192.0.2.1/32")),
            environments=("production",),
            not_before=datetime(2027, 1, 1, tzinfo=UTC).timestamp(),
            not_after=datetime(2027, 1, 31, 16, tzinfo=UTC).timestamp(),
            hours=Hours(start=480, end=1110, days=("mon", "fri"), timezone="Europe/Berlin"),
        ),
        max_lifetime=1,
        enabled=False,
        id="7",
        version=3,
    )


def test_a_rule_without_persons_is_for_machines() -> None:
    machines = Rule.from_mapping({key: value for key, value in SHAPE.items() if key != "groups"})
    assert machines.for_machines
    assert not allow(users=[]).for_machines
    assert not allow(groups=[]).for_machines


def test_repetitions_say_nothing_new() -> None:
    assert allow("read read", clients=["a", "a", "HOST:x".lower(), "host:X"]).clients == ("a", "host:x")
    assert allow("read read").scopes == ("read",)


@pytest.mark.parametrize("field", ["sensitivities", "conditions", "max_lifetime"])
def test_null_leaves_a_field_out(field: str) -> None:
    assert Rule.from_mapping({**SHAPE, field: None}) == Rule.from_mapping(SHAPE)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("host:APP.Example.COM", "host:app.example.com"),
        ("host:example.com.", "host:example.com"),
        ("host:*.xn--bcher-kva.example", "host:*.xn--bcher-kva.example"),
        ("host:localhost", "host:localhost"),
        ("host:my_host.a-b.example", "host:my_host.a-b.example"),
        ("host:127.0.0.1", "host:127.0.0.1"),
        ("host:[::1]", "host:::1"),
        ("host:2001:DB8::1", "host:2001:db8::1"),
        ("host:*.4you.example", "host:*.4you.example"),
        ("host:*.4.example", "host:*.4.example"),
        ("https://app.example.com/client.json", "https://app.example.com/client.json"),
        ("spiffe://test/workload", "spiffe://test/workload"),
        ("tag:Finance and law", "tag:Finance and law"),
        ("hosts:example.com", "hosts:example.com"),
        ("kind:workload", "kind:workload"),
    ],
)
def test_client_patterns_have_one_spelling(written: str, read: str) -> None:
    assert allow(clients=[written]).clients == (read,)


@pytest.mark.parametrize(
    ("field", "value", "seconds"),
    [
        ("not_before", "2027-01-15T08:00:00Z", 1_800_000_000),
        ("not_before", "2027-01-15T09:00:00.250+01:00", 1_800_000_000.25),
        ("not_before", datetime(2027, 1, 15, 8, tzinfo=UTC), 1_800_000_000),
        ("not_before", date(2027, 1, 15), 1_799_971_200),
        ("not_before", "2027-01-15", 1_799_971_200),
        ("not_after", date(2027, 1, 15), 1_800_057_600),
        ("not_after", "2027-01-15", 1_800_057_600),
        ("not_after", "2027-01-15T00:00:00Z", 1_799_971_200),
    ],
)
def test_moments(field: str, value: object, seconds: float) -> None:
    assert getattr(allow(**{field: value}).conditions, field) == seconds


def test_a_day_is_a_day_in_utc_wherever_the_server_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert allow(not_before="2027-01-15").conditions.not_before == 1_799_971_200
    finally:
        monkeypatch.undo()
        time.tzset()


MUST_BE_LIST, MUST_BE_TEXT, EMPTY = "must be a list.", "must be text.", "must not be empty."
EXACT = "is exact: “*” stands only alone, for everything."
HOST = "must be a host name such as “app.example.com” or “*.example.com” (IDNs as xn--…)."
MOMENT = "must be a date or a date and time, as in 2026-12-31T18:00:00Z."
WHOLE, AT_LEAST = "must be a whole number.", "must be at least 1."
CLOCK = "must be a time such as “08:00”, in quotes."
URI, CANONICAL = "must be an absolute URI.", "must be in its canonical form, with scheme and host in small letters."
GRANT = "must be “*”, authorization_code, client_credentials, refresh_token, or the URI of a grant type."
HOURS = {"from": "08:00", "to": "18:00"}

# change · field · problem
REFUSED: list[tuple[dict[str, object], str, str]] = [
    ({"scope": ["read"]}, "scope", "is not a known field. Did you mean “scopes”?"),
    ({"zzzz": 1}, "zzzz", "is not a known field."),
    ({7: 1}, "7", "is not a known field."),  # type: ignore[dict-item] # YAML has such keys
    ({"conditions": {"network": []}}, "conditions.network", "is not a known field. Did you mean “networks”?"),
    ({"conditions": []}, "conditions", "must be a mapping."),
    ({"name": 5}, "name", MUST_BE_TEXT),
    ({"name": ""}, "name", EMPTY),
    ({"name": "  "}, "name", EMPTY),
    ({"name": None}, "name", MUST_BE_TEXT),
    ({"name": " a"}, "name", "must not begin or end with spaces."),
    ({"name": "a\nb"}, "name", "must not hold control characters."),
    ({"effect": "permit"}, "effect", "must be one of allow, deny, require_approval."),
    ({"effect": "Allow"}, "effect", "must be one of allow, deny, require_approval."),
    ({"effect": True}, "effect", MUST_BE_TEXT),
    ({"clients": "*"}, "clients", MUST_BE_LIST),
    ({"clients": None}, "clients", MUST_BE_LIST),
    ({"clients": ["a", 5]}, "clients[1]", MUST_BE_TEXT),
    ({"clients": ["a", ""]}, "clients[1]", EMPTY),
    (
        {"clients": ["a", "https://*.example.com/*"]},
        "clients[1]",
        "is an exact client_id; for the clients of a host write “host:*.example.com”.",
    ),
    ({"clients": ["Host:a.example"]}, "clients[0]", "must be written “host:”, in small letters."),
    ({"clients": ["TAG:a"]}, "clients[0]", "must be written “tag:”, in small letters."),
    ({"clients": ["tag:"]}, "clients[0]", "needs a value right after “tag:”."),
    ({"clients": ["owner: alice"]}, "clients[0]", "needs a value right after “owner:”."),
    ({"clients": ["tag:*"]}, "clients[0]", "is exact: “*” stands only alone or in “host:*.example.com”."),
    (
        {"clients": ["kind:robot"]},
        "clients[0]",
        "must be one of kind:registered, kind:dynamic, kind:cimd, kind:workload.",
    ),
    (
        {"clients": ["host:example.com:8443"]},
        "clients[0]",
        "names a host without its port: a host is meant on every port.",
    ),
    ({"clients": ["host:*"]}, "clients[0]", HOST),
    ({"clients": ["host:*.*.example"]}, "clients[0]", HOST),
    ({"clients": ["host:a.*.example"]}, "clients[0]", HOST),
    ({"clients": ["host:*example.com"]}, "clients[0]", HOST),
    ({"clients": ["host:.example.com"]}, "clients[0]", HOST),
    ({"clients": ["host:-a.example"]}, "clients[0]", HOST),
    ({"clients": ["host:a-.example"]}, "clients[0]", HOST),
    ({"clients": ["host:bücher.example"]}, "clients[0]", HOST),
    ({"clients": ["host:example.com/x"]}, "clients[0]", HOST),
    ({"clients": ["host:" + "a" * 64]}, "clients[0]", HOST),
    ({"clients": ["host:*.0.0.1"]}, "clients[0]", "must not put “*” before part of an IP address."),
    ({"clients": ["host:*.a.b.1"]}, "clients[0]", "must not put “*” before part of an IP address."),
    ({"users": "alice"}, "users", MUST_BE_LIST),
    ({"users": None}, "users", "must be a list; leave it out only in a rule for machines."),
    ({"groups": None}, "groups", "must be a list; leave it out only in a rule for machines."),
    ({"groups": ["eng*"]}, "groups[0]", EXACT),
    ({"groups": [["a"]]}, "groups[0]", MUST_BE_TEXT),
    ({"users": ["a", "b*"]}, "users[1]", EXACT),
    ({"grant_types": "*"}, "grant_types", MUST_BE_LIST),
    ({"grant_types": ["urn:*"]}, "grant_types[0]", EXACT),
    ({"grant_types": ["*", "authorization-code"]}, "grant_types[1]", GRANT),
    ({"grant_types": ["password"]}, "grant_types[0]", GRANT),
    ({"resources": NOTES}, "resources", MUST_BE_LIST),
    ({"resources": ["https://*.example.com"]}, "resources[0]", EXACT),
    ({"resources": ["*", "notes.example.com"]}, "resources[1]", URI),
    ({"resources": ["/mcp"]}, "resources[0]", URI),
    ({"resources": ["https:"]}, "resources[0]", URI),
    ({"resources": ["https://[::1"]}, "resources[0]", URI),
    ({"resources": ["https://a.example/a b"]}, "resources[0]", URI),
    ({"resources": ["https://a.example/#"]}, "resources[0]", "must not have a fragment."),
    ({"resources": ["HTTPS://a.example/"]}, "resources[0]", CANONICAL),
    ({"resources": ["https://A.example/"]}, "resources[0]", CANONICAL),
    ({"scopes": "read"}, "scopes", MUST_BE_LIST),
    ({"scopes": ["mcp:*"]}, "scopes[0]", EXACT),
    ({"scopes": ["*", "read write"]}, "scopes[1]", "is not a scope name (RFC 6749 §3.3)."),
    ({"scopes": ['re"ad']}, "scopes[0]", "is not a scope name (RFC 6749 §3.3)."),
    ({"sensitivities": "high"}, "sensitivities", MUST_BE_LIST),
    ({"sensitivities": ["low", ""]}, "sensitivities[1]", EMPTY),
    ({"max_lifetime": 0}, "max_lifetime", AT_LEAST),
    ({"max_lifetime": True}, "max_lifetime", WHOLE),
    ({"max_lifetime": "600"}, "max_lifetime", WHOLE),
    ({"max_lifetime": 1.5}, "max_lifetime", WHOLE),
    ({"enabled": "yes"}, "enabled", "must be true or false."),
    ({"enabled": None}, "enabled", "must be true or false."),
    ({"version": 0}, "version", AT_LEAST),
    ({"version": "1"}, "version", WHOLE),
    ({"id": True}, "id", "must be text or a whole number."),
    ({"id": None}, "id", "must be text or a whole number."),
    ({"conditions": {"max_auth_age": 0}}, "conditions.max_auth_age", AT_LEAST),
    ({"conditions": {"max_auth_age": "1h"}}, "conditions.max_auth_age", WHOLE),
    ({"conditions": {"acr": "gold"}}, "conditions.acr", MUST_BE_LIST),
    ({"conditions": {"acr": ["a", "*"]}}, "conditions.acr[1]", "is exact; to ask for nothing leave the field out."),
    ({"conditions": {"amr": ["*"]}}, "conditions.amr[0]", "is exact; to ask for nothing leave the field out."),
    ({"conditions": {"amr": [1]}}, "conditions.amr[0]", MUST_BE_TEXT),
    (
        {"conditions": {"environments": ["*"]}},
        "conditions.environments[0]",
        "is exact; to ask for nothing leave the field out.",
    ),
    ({"conditions": {"environments": [""]}}, "conditions.environments[0]", EMPTY),
    ({"conditions": {"networks": "10.0.0.0/8"}}, "conditions.networks", MUST_BE_LIST),
    ({"conditions": {"networks": [8]}}, "conditions.networks[0]", MUST_BE_TEXT),
    (
        {"conditions": {"networks": ["10.0.0.0/8", "10.0.0.1/8"]}},
        "conditions.networks[1]",
        "is not a network in CIDR notation: 10.0.0.1/8 has host bits set.",
    ),
    (
        {"conditions": {"networks": ["::ffff:10.0.0.0/104"]}},
        "conditions.networks[0]",
        "must be written as an IPv4 network.",
    ),
    ({"conditions": {"not_before": "tomorrow"}}, "conditions.not_before", MOMENT),
    ({"conditions": {"not_before": "2027-02-30"}}, "conditions.not_before", MOMENT),
    ({"conditions": {"not_after": 1_800_000_000}}, "conditions.not_after", MOMENT),
    (
        {"conditions": {"not_after": "2027-01-15T08:00:00"}},
        "conditions.not_after",
        "needs an offset from UTC, as in 2026-12-31T18:00:00Z.",
    ),
    (
        {"conditions": {"not_before": datetime(2027, 1, 15)}},  # noqa: DTZ001 # YAML yields such values
        "conditions.not_before",
        "needs an offset from UTC, as in 2026-12-31T18:00:00Z.",
    ),
    (
        {"conditions": {"not_before": "2027-01-15T08:00:00Z", "not_after": "2027-01-15T08:00:00Z"}},
        "conditions.not_after",
        "must be later than not_before.",
    ),
    ({"conditions": {"hours": "08:00-18:00"}}, "conditions.hours", "must be a mapping."),
    ({"conditions": {"hours": {"to": "18:00"}}}, "conditions.hours.from", "is required."),
    ({"conditions": {"hours": {"from": "08:00"}}}, "conditions.hours.to", "is required."),
    ({"conditions": {"hours": {**HOURS, "tz": "UTC"}}}, "conditions.hours.tz", "is not a known field."),
    ({"conditions": {"hours": {**HOURS, "from": 1080}}}, "conditions.hours.from", CLOCK),
    ({"conditions": {"hours": {**HOURS, "from": "8:00"}}}, "conditions.hours.from", CLOCK),
    ({"conditions": {"hours": {**HOURS, "from": "24:00"}}}, "conditions.hours.from", CLOCK),
    ({"conditions": {"hours": {**HOURS, "to": "24:01"}}}, "conditions.hours.to", CLOCK),
    ({"conditions": {"hours": {**HOURS, "to": "18:60"}}}, "conditions.hours.to", CLOCK),
    ({"conditions": {"hours": {**HOURS, "to": "08:00"}}}, "conditions.hours.to", "must differ from “from”."),
    (
        {"conditions": {"hours": {**HOURS, "days": ["mon", "Tue"]}}},
        "conditions.hours.days[1]",
        "must be one of mon, tue, wed, thu, fri, sat, sun.",
    ),
    ({"conditions": {"hours": {**HOURS, "days": "mon"}}}, "conditions.hours.days", MUST_BE_LIST),
    (
        {"conditions": {"hours": {**HOURS, "timezone": "Europe/Atlantis"}}},
        "conditions.hours.timezone",
        "is not a known time zone, such as Europe/Berlin.",
    ),
    (
        {"conditions": {"hours": {**HOURS, "timezone": "../etc/passwd"}}},
        "conditions.hours.timezone",
        "is not a known time zone, such as Europe/Berlin.",
    ),
    (
        {"conditions": {"hours": {**HOURS, "timezone": "Europe"}}},
        "conditions.hours.timezone",
        "is not a known time zone, such as Europe/Berlin.",
    ),
    ({"conditions": {"hours": {**HOURS, "timezone": 1}}}, "conditions.hours.timezone", MUST_BE_TEXT),
    (
        {"effect": "deny", "max_lifetime": 60},
        "max_lifetime",
        "has no meaning in a deny: it lets no token live.",
    ),
    (
        {"effect": "deny", "conditions": {"max_auth_age": 60}},
        "conditions.max_auth_age",
        "has no meaning in a deny: put it on the rules that allow, as their demand.",
    ),
]


@pytest.mark.parametrize(("change", "field", "problem"), REFUSED)
def test_it_refuses(change: dict[str, object], field: str, problem: str) -> None:
    with pytest.raises(RuleError) as refused:
        Rule.from_mapping({**SHAPE, **change})
    assert (refused.value.field, refused.value.problem) == (field, problem)
    assert str(refused.value) == f"{field}: {problem}"


@pytest.mark.parametrize("field", ["name", "effect", "clients", "grant_types", "resources", "scopes"])
def test_it_requires(field: str) -> None:
    with pytest.raises(RuleError) as refused:
        Rule.from_mapping({key: value for key, value in SHAPE.items() if key != field})
    assert (refused.value.field, refused.value.problem) == (field, "is required.")


@pytest.mark.parametrize("condition", [{"max_auth_age": 60}, {"acr": ["gold"]}, {"amr": ["otp"]}])
def test_it_refuses_to_ask_machines_how_they_signed_in(condition: dict[str, object]) -> None:
    shape = {key: value for key, value in SHAPE.items() if key != "groups"}
    with pytest.raises(RuleError) as refused:
        Rule.from_mapping({**shape, "conditions": condition})
    assert refused.value.field == f"conditions.{next(iter(condition))}"
    assert refused.value.problem == "has no meaning for machines: they don't sign in."


@pytest.mark.parametrize("data", [None, [], "allow", 5])
def test_it_refuses_what_is_no_mapping(data: object) -> None:
    with pytest.raises(RuleError) as refused:
        Rule.from_mapping(data)  # type: ignore[arg-type] # a file may hold anything
    assert (refused.value.field, str(refused.value)) == ("", "must be a mapping.")


def test_a_rule_is_written_as_it_is_read() -> None:
    shape = {
        "name": "All of it",
        "effect": "allow",
        "clients": ["host:*.example.com"],
        "users": ["alice"],
        "groups": [],
        "grant_types": ["*"],
        "resources": ["*"],
        "scopes": ["read"],
        "sensitivities": ["low"],
        "conditions": {
            "max_auth_age": 60,
            "acr": ["gold"],
            "amr": ["otp"],
            "networks": ["10.0.0.0/8"],
            "environments": ["production"],
            "not_before": "2027-01-15T08:00:00Z",
            "not_after": "2027-01-15T08:00:00.500000Z",
            "hours": {"days": ["mon"], "from": "22:05", "to": "24:00", "timezone": "Europe/Berlin"},
        },
        "max_lifetime": 60,
        "enabled": False,
    }
    assert Rule.from_mapping(shape).to_mapping() == shape


def test_a_rule_is_written_without_its_defaults() -> None:
    written = Rule.from_mapping(
        {**SHAPE, "id": "5", "version": 2, "enabled": True, "conditions": {"acr": []}}
    ).to_mapping()
    assert written == SHAPE
    hours = allow(hours=HOURS).to_mapping()["conditions"]
    assert hours == {"hours": {"from": "08:00", "to": "18:00", "timezone": "UTC"}}


@SOME
@given(any_rules)
def test_every_rule_survives_being_written_and_read(rule: policy.Rule) -> None:
    assert Rule.from_mapping(rule.to_mapping()) == rule


@SOME
@given(st.dictionaries(st.sampled_from([*SHAPE, "conditions", "users", "id"]), st.from_type(object) | st.none()))
def test_nothing_else_than_a_rule_error_comes_out_of_reading(change: dict[str, object]) -> None:
    try:
        rule = Rule.from_mapping({**SHAPE, **change})
    except RuleError:
        return
    assert isinstance(rule, Rule)


HOLD = {**SHAPE, "effect": "require_approval"}


@pytest.mark.parametrize(
    "approvers",
    [
        {"owner": True},
        {"users": ["olga", "paul"], "count": 2},
        {"groups": ["payroll leads"], "count": 5},
        {"owner": True, "users": ["olga"], "count": 2},
        {"roles": ["administrator", "approver"]},
    ],
)
def test_approvers_read_as_they_are_written(approvers: dict[str, object]) -> None:
    rule = Rule.from_mapping({**HOLD, "approvers": approvers})
    assert rule.approvers is not None
    assert rule.to_mapping()["approvers"] == approvers
    assert Rule.from_mapping(rule.to_mapping()) == rule


@pytest.mark.parametrize(
    ("approvers", "field"),
    [
        ({}, "approvers"),
        ({"count": 2}, "approvers"),
        ({"owner": False}, "approvers"),
        ({"groups": []}, "approvers"),
        ({"groups": ["*"]}, "approvers.groups"),
        ({"users": ["*"]}, "approvers.users"),
        ({"users": "olga"}, "approvers.users"),
        ({"roles": ["auditor"]}, "approvers.roles[0]"),
        ({"roles": ["approver"], "count": 0}, "approvers.count"),
        ({"roles": ["approver"], "count": 6}, "approvers.count"),
        ({"roles": ["approver"], "count": True}, "approvers.count"),
        ({"users": ["olga"], "count": 2}, "approvers.count"),
        ({"users": ["olga", "olga"], "count": 2}, "approvers.count"),
        ({"owner": True, "count": 2}, "approvers.count"),
        ({"owner": "yes"}, "approvers.owner"),
        ({"group": ["a"]}, "approvers.group"),
        (["olga"], "approvers"),
    ],
)
def test_approvers_that_cannot_be_meant_are_refused(approvers: object, field: str) -> None:
    with pytest.raises(RuleError) as raised:
        Rule.from_mapping({**HOLD, "approvers": approvers})
    assert raised.value.field == field


@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_only_a_require_approval_has_approvers(effect: str) -> None:
    with pytest.raises(RuleError) as raised:
        Rule.from_mapping({**SHAPE, "effect": effect, "approvers": {"owner": True}})
    assert raised.value.field == "approvers"


@pytest.mark.parametrize(
    ("person", "means"),
    [
        ({"username": "olga"}, True),
        ({"username": "paul", "groups": ["leads"]}, True),
        ({"username": "paul", "role": "approver"}, True),
        ({"username": "paul", "is_owner": True}, True),
        ({"username": "paul", "role": "administrator"}, False),
        ({"username": "leads", "groups": ["olga"]}, False),
    ],
)
def test_whom_approvers_mean(person: dict[str, Any], means: bool) -> None:
    approvers = policy.Approvers(owner=True, users=("olga",), groups=("leads",), roles=("approver",))
    facts: dict[str, Any] = {"groups": [], "role": "none", "is_owner": False, **person}
    assert approvers.mean(**facts) is means
    assert not policy.Approvers(users=("nobody",)).mean(**facts)


@pytest.mark.parametrize(
    ("approvers", "problem"),
    [
        ({"users": ["*"]}, "must be exact: not everybody is an approver."),
        ({"roles": ["auditor"]}, "must be one of administrator, approver."),
        ({"roles": ["approver"], "count": 6}, "must be at most 5."),
        ({"users": ["olga"], "count": 2}, "is more than the people who are named."),
        ({}, "names nobody: give it an owner, users, groups or roles."),
    ],
)
def test_what_is_wrong_with_approvers_is_said(approvers: dict[str, object], problem: str) -> None:
    with pytest.raises(RuleError) as raised:
        policy.Approvers.from_mapping(approvers)
    assert raised.value.problem == problem


def test_a_role_that_is_no_text_is_named() -> None:
    with pytest.raises(RuleError) as raised:
        policy.Approvers.from_mapping({"roles": [1]}, "who")
    assert raised.value.field == "who.roles[0]"


@pytest.mark.parametrize(
    ("approvers", "words"),
    [
        (policy.Approvers(owner=True), "the server’s owner"),
        (policy.Approvers(users=("olga",)), "olga"),
        (policy.Approvers(roles=("administrator",)), "an administrator"),
        (policy.Approvers(owner=True, roles=("approver",)), "the server’s owner or an approver"),
        (policy.Approvers(users=("olga", "paul"), groups=("leads",)), "olga, paul or members of leads"),
        (policy.Approvers(owner=True, groups=("leads",), count=2), "two of: the server’s owner, members of leads"),
        (policy.Approvers(groups=("leads",), count=5), "five of: members of leads"),
    ],
)
def test_approvers_in_words(approvers: policy.Approvers, words: str) -> None:
    assert phrase(approvers) == words
