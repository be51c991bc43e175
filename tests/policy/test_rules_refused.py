"""Rules that are refused when they are read, each with the field and the problem."""

from datetime import datetime

import pytest

from authz.policy import Rule, RuleError, value_kinds

from .cast import NOTES
from .test_rules import HOURS, SHAPE

MUST_BE_LIST, MUST_BE_TEXT, EMPTY = "must be a list.", "must be text.", "must not be empty."
EXACT = "is exact: “*” stands only alone, for everything."
HOST = "must be a host name such as “app.example.com” or “*.example.com” (IDNs as xn--…)."
MOMENT = "must be a date or a date and time, as in 2026-12-31T18:00:00Z."
WHOLE, AT_LEAST = "must be a whole number.", "must be at least 1."
CLOCK = "must be a time such as “08:00”, in quotes."
URI, CANONICAL = "must be an absolute URI.", "must be in its canonical form, with scheme and host in small letters."
GRANT = "must be “*”, authorization_code, client_credentials, refresh_token, or the URI of a grant type."

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
        "must be a time zone, such as Europe/Berlin.",
    ),
    (
        {"conditions": {"hours": {**HOURS, "timezone": "../etc/passwd"}}},
        "conditions.hours.timezone",
        "must be a time zone, such as Europe/Berlin.",
    ),
    (
        {"conditions": {"hours": {**HOURS, "timezone": "Europe"}}},
        "conditions.hours.timezone",
        "must be a time zone, such as Europe/Berlin.",
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
    assert refused.value.field == field
    # What was found instead stands after it (tests/policy/test_value_kinds.py).
    assert refused.value.problem.startswith(problem.removesuffix("."))
    assert str(refused.value) == f"{field}: {refused.value.problem}"


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
    assert (refused.value.field, str(refused.value)) == ("", f"must be a mapping{value_kinds.not_this(data)}.")
