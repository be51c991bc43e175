"""Reading rules: what is understood, and that everything else is refused by its field and in words."""

import time
from datetime import UTC, date, datetime
from ipaddress import ip_network

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from authz import policy
from authz.policy import Conditions, Effect, Hours, Rule, RuleError

from .cast import NOTES, allow
from .strategies import SOME
from .strategies import rules as any_rules

HOURS = {"from": "08:00", "to": "18:00"}
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
