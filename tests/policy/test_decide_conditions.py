"""`decide`, as a table: from where, at what time, and after which sign-in.

Bob is in engineering. `read` has low sensitivity, `write` and `delete` have high; that of `odd` isn't known.
"""

import pytest

from authz import policy

from .cast import NOW, allow, deny, question, require, told

OFFICE, ELSEWHERE = "10.1.2.3", "192.0.2.7"
HOUR = 3600
REFRESH = {"refresh": True}
ID_JAG = "urn:ietf:params:oauth:grant-type:jwt-bearer"

# idea · rules · question · what comes out
PLACES_AND_TIMES = [
    ("within a network", [allow(networks=["10.0.0.0/8"])], question(address=OFFICE), "allowed: read"),
    ("outside it", [allow(networks=["10.0.0.0/8"])], question(address=ELSEWHERE), "no_rule_allows"),
    ("in one of two", [allow(networks=["10.0.0.0/8", "192.0.2.0/24"])], question(address=ELSEWHERE), "allowed: read"),
    (
        "by the second rule",
        [allow(name="a", networks=["10.0.0.0/8"]), allow(name="b", networks=["192.0.2.0/24"])],
        question(address=ELSEWHERE),
        "allowed: read",
    ),
    ("from nowhere known", [allow(networks=["10.0.0.0/8"])], question(), "no_rule_allows"),
    ("from no address at all", [allow(networks=["10.0.0.0/8"])], question(address="office"), "no_rule_allows"),
    ("IPv4 dressed as IPv6", [allow(networks=["10.0.0.0/8"])], question(address="::ffff:10.1.2.3"), "allowed: read"),
    ("IPv6", [allow(networks=["2001:db8::/32"])], question(address="2001:db8::7"), "allowed: read"),
    ("other IPv6", [allow(networks=["2001:db8::/32"])], question(address="2001:db9::7"), "no_rule_allows"),
    (
        "IPv6 isn't in an IPv4 network",
        [allow(networks=["0.0.0.0/0"])],
        question(address="2001:db8::7"),
        "no_rule_allows",
    ),
    ("one address is a network", [allow(networks=["192.0.2.7"])], question(address=ELSEWHERE), "allowed: read"),
    ("a deny within", [allow(), deny(networks=["192.0.2.0/24"])], question(address=ELSEWHERE), "denied_by_rule"),
    ("a deny outside", [allow(), deny(networks=["192.0.2.0/24"])], question(address=OFFICE), "allowed: read"),
    ("a deny from nowhere known holds", [allow(), deny(networks=["192.0.2.0/24"])], question(), "denied_by_rule"),
    (
        "the right environment",
        [allow(environments=["production"])],
        question(client_environment="production"),
        "allowed: read",
    ),
    (
        "one of two",
        [allow(environments=["test", "production"])],
        question(client_environment="production"),
        "allowed: read",
    ),
    ("the wrong one", [allow(environments=["production"])], question(client_environment="staging"), "no_rule_allows"),
    ("none", [allow(environments=["production"])], question(), "no_rule_allows"),
    (
        "a deny elsewhere",
        [allow(), deny(environments=["production"])],
        question(client_environment="test"),
        "allowed: read",
    ),
    ("a deny without one holds", [allow(), deny(environments=["production"])], question(), "denied_by_rule"),
    ("already valid", [allow(not_before="2027-01-15T08:00:00Z")], question(), "allowed: read"),
    ("not yet valid", [allow(not_before="2027-01-15T08:00:01Z")], question(), "no_rule_allows"),
    ("still valid", [allow(not_after="2027-01-15T08:00:01Z")], question(), "allowed: read"),
    ("no longer valid", [allow(not_after="2027-01-15T08:00:00Z")], question(), "no_rule_allows"),
    ("valid all day", [allow(not_before="2027-01-15", not_after="2027-01-15")], question(), "allowed: read"),
    ("valid until yesterday", [allow(not_after="2027-01-14")], question(), "no_rule_allows"),
    ("valid from tomorrow", [allow(not_before="2027-01-16")], question(), "no_rule_allows"),
    ("an offset counts", [allow(not_before="2027-01-15T09:30:00+02:00")], question(), "allowed: read"),
    ("a deny that has ended", [allow(), deny(not_after="2027-01-15T08:00:00Z")], question(), "allowed: read"),
    ("a deny that hasn't begun", [allow(), deny(not_before="2027-01-16")], question(), "allowed: read"),
    ("within hours", [allow(hours={"from": "08:00", "to": "18:00"})], question(), "allowed: read"),
    ("hours end without their end", [allow(hours={"from": "07:00", "to": "08:00"})], question(), "no_rule_allows"),
    ("up to their last minute", [allow(hours={"from": "07:00", "to": "08:01"})], question(), "allowed: read"),
    ("before hours", [allow(hours={"from": "08:01", "to": "18:00"})], question(), "no_rule_allows"),
    (
        "hours elsewhere",
        [allow(hours={"from": "09:00", "to": "10:00", "timezone": "Europe/Berlin"})],
        question(),
        "allowed: read",
    ),
    ("hours until midnight", [allow(hours={"from": "08:00", "to": "24:00"})], question(), "allowed: read"),
    (
        "hours of this day",
        [allow(hours={"from": "08:00", "to": "18:00", "days": ["fri"]})],
        question(),
        "allowed: read",
    ),
    (
        "hours of another day",
        [allow(hours={"from": "08:00", "to": "18:00", "days": ["mon", "sat"]})],
        question(),
        "no_rule_allows",
    ),
    ("hours over midnight", [allow(hours={"from": "22:00", "to": "09:00"})], question(), "allowed: read"),
    ("over midnight, past their end", [allow(hours={"from": "22:00", "to": "08:00"})], question(), "no_rule_allows"),
    ("over midnight, begun tonight", [allow(hours={"from": "08:00", "to": "07:00"})], question(), "allowed: read"),
    (
        "begun the day before",
        [allow(hours={"from": "22:00", "to": "09:00", "days": ["thu"]})],
        question(),
        "allowed: read",
    ),
    (
        "begin only today",
        [allow(hours={"from": "22:00", "to": "09:00", "days": ["fri"]})],
        question(),
        "no_rule_allows",
    ),
    ("begun today", [allow(hours={"from": "08:00", "to": "07:00", "days": ["fri"]})], question(), "allowed: read"),
    (
        "began only yesterday",
        [allow(hours={"from": "08:00", "to": "07:00", "days": ["thu"]})],
        question(),
        "no_rule_allows",
    ),
    ("a deny outside hours", [allow(), deny(hours={"from": "18:00", "to": "06:00"})], question(), "allowed: read"),
    ("a deny within hours", [allow(), deny(hours={"from": "18:00", "to": "09:00"})], question(), "denied_by_rule"),
]

SIGN_INS = [
    ("recent enough", [allow(max_auth_age=HOUR)], question(auth_time=NOW - HOUR), "allowed: read"),
    ("too old", [allow(max_auth_age=HOUR)], question(auth_time=NOW - HOUR - 1), "step_up_needed"),
    ("an unknown time", [allow(max_auth_age=HOUR)], question(), "step_up_needed"),
    ("a clock slightly ahead", [allow(max_auth_age=HOUR)], question(auth_time=NOW + 60), "allowed: read"),
    ("a sign-in in the future", [allow(max_auth_age=HOUR)], question(auth_time=NOW + 61), "step_up_needed"),
    ("the right acr", [allow(acr=["gold"])], question(acr="gold"), "allowed: read"),
    ("one of two acr", [allow(acr=["gold", "silver"])], question(acr="silver"), "allowed: read"),
    ("the wrong acr", [allow(acr=["gold"])], question(acr="silver"), "step_up_needed"),
    ("no acr", [allow(acr=["gold"])], question(), "step_up_needed"),
    ("an empty acr", [allow(acr=["gold"])], question(acr=""), "step_up_needed"),
    ("every method", [allow(amr=["pwd", "otp"])], question(amr=("otp", "pwd", "hwk")), "allowed: read"),
    ("one method of two", [allow(amr=["pwd", "otp"])], question(amr=("pwd",)), "step_up_needed"),
    ("no such method", [allow(amr=["otp"])], question(amr=("pwd",)), "step_up_needed"),
    ("unknown methods", [allow(amr=["otp"])], question(), "step_up_needed"),
    (
        "stale for one scope",
        [allow("read", name="a"), allow("write", name="b", max_auth_age=60)],
        question("read write"),
        "narrowed: read",
    ),
    (
        "a better sign-in wouldn't help elsewhere",
        [allow(acr=["gold"], networks=["10.0.0.0/8"])],
        question(address=ELSEWHERE),
        "no_rule_allows",
    ),
    ("nor from nowhere known", [allow(acr=["gold"], networks=["10.0.0.0/8"])], question(), "no_rule_allows"),
    (
        "but it would help here",
        [allow(acr=["gold"], networks=["10.0.0.0/8"])],
        question(address=OFFICE),
        "step_up_needed",
    ),
    ("it wouldn't get other scopes", [allow("write", acr=["gold"])], question("read"), "no_rule_allows"),
    ("nor what is denied", [allow(acr=["gold"]), deny()], question(), "denied_by_rule"),
    ("nor what no one else could", [allow(acr=["gold"], users=["alice"])], question(), "no_rule_allows"),
    (
        "one denied, one after a better sign-in",
        [allow(acr=["gold"]), deny("write")],
        question("read write"),
        "step_up_needed",
    ),
    ("a deny of an acr", [allow(), deny(acr=["weak"])], question(acr="weak"), "denied_by_rule"),
    ("spares other acr", [allow(), deny(acr=["weak"])], question(acr="gold"), "allowed: read"),
    ("but not an unknown acr", [allow(), deny(acr=["weak"])], question(), "denied_by_rule"),
    ("a deny of methods", [allow(), deny(amr=["pwd", "sms"])], question(amr=("pwd",)), "denied_by_rule"),
    ("spares other methods", [allow(), deny(amr=["pwd", "sms"])], question(amr=("hwk",)), "allowed: read"),
    ("but not unknown methods", [allow(), deny(amr=["pwd"])], question(), "denied_by_rule"),
    (
        "not known here, but surely not there",
        [allow(), deny(acr=["weak"], networks=["192.0.2.0/24"])],
        question(address=OFFICE),
        "allowed: read",
    ),
    (
        "an old sign-in escapes no approval",
        [allow(), require(max_auth_age=60)],
        question(auth_time=NOW - 61),
        "waits: read",
    ),
    ("approval after a better sign-in", [require(max_auth_age=60)], question(auth_time=NOW - 61), "step_up_needed"),
    ("approval of the sign-in it asks for", [require(max_auth_age=60)], question(auth_time=NOW - 59), "waits: read"),
]

TABLE = [*PLACES_AND_TIMES, *SIGN_INS]


@pytest.mark.parametrize(("idea", "rules", "asked", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_it_decides(idea: str, rules: list[policy.Rule], asked: policy.AccessQuestion, expected: str) -> None:
    assert told(policy.decide(asked, policy.compile(rules), NOW)) == expected


HOURS_AT = [
    ("half past seven", NOW - 1800, {"from": "07:30", "to": "07:31"}, True),
    ("a minute before", NOW - 1860, {"from": "07:30", "to": "07:31"}, False),
    ("a minute after", NOW - 1740, {"from": "07:30", "to": "07:31"}, False),
    ("Monday, begun on Sunday", NOW + 3 * 86_400, {"from": "22:00", "to": "09:00", "days": ["sun"]}, True),
    ("Sunday, begun on Sunday", NOW + 2 * 86_400, {"from": "07:00", "to": "09:00", "days": ["sun"]}, True),
    ("Berlin in summer", NOW + 180 * 86_400, {"from": "10:00", "to": "10:01", "timezone": "Europe/Berlin"}, True),
]


@pytest.mark.parametrize(("idea", "now", "hours", "within"), HOURS_AT, ids=[row[0] for row in HOURS_AT])
def test_it_reads_the_clock(idea: str, now: float, hours: dict[str, object], within: bool) -> None:
    decision = policy.decide(question(), policy.compile([allow(hours=hours)]), now)
    assert (decision.effect is policy.Outcome.ALLOW) is within
