"""`decide`, as a table: what is ruled, what is asked, what comes out. One row, one idea.

Bob is in engineering. `read` has low sensitivity, `write` and `delete` have high, and of `odd` nobody knows.
"""

import dataclasses

import pytest

from authz import policy
from authz.policy import ClientKind, ClientStatus

from .cast import NOTES, NOW, PAYROLL, allow, approval, cimd, deny, machine, question, require, told

OFFICE, ELSEWHERE = "10.1.2.3", "192.0.2.7"
HOUR = 3600
REFRESH = {"refresh": True}
ID_JAG = "urn:ietf:params:oauth:grant-type:jwt-bearer"

# idea · rules · question · what comes out
NOTHING_BY_DEFAULT = [
    ("without rules nothing is allowed", [], question(), "no_rule_allows"),
    ("without rules a machine gets nothing", [], machine(), "no_rule_allows"),
    ("a deny alone allows nothing", [deny("write")], question("read"), "no_rule_allows"),
    ("a rule for everything allows what is asked", [allow()], question("read"), "allowed: read"),
    ("it allows several scopes in the order of the request", [allow()], question("write read"), "allowed: write read"),
    ("a scope asked twice is granted once", [allow()], question("read write read"), "allowed: read write"),
    ("who asks for no scope gets none", [allow()], question(""), "nothing_asked"),
    (
        "a rule that is switched off hides none after it",
        [deny(name="a", enabled=False), allow(name="b")],
        question(),
        "allowed: read",
    ),
    ("a rule that is switched off allows nothing", [allow(enabled=False)], question(), "no_rule_allows"),
    ("a deny that is switched off denies nothing", [allow(), deny(enabled=False)], question(), "allowed: read"),
]

EMPTY_LISTS = [
    ("no clients is no client", [allow(clients=[])], question(), "no_rule_allows"),
    ("no groups is nobody", [allow(groups=[])], question(), "no_rule_allows"),
    ("no users is nobody", [allow(users=[])], question(), "no_rule_allows"),
    ("no users is not a machine either", [allow(users=[])], machine(), "no_rule_allows"),
    ("no groups is not a machine either", [allow(groups=[])], machine(), "no_rule_allows"),
    (
        "no users beside a group leaves the group",
        [allow(users=[], groups=["engineering"])],
        question(),
        "allowed: read",
    ),
    ("no grant types is no grant", [allow(grant_types=[])], question(), "no_rule_allows"),
    ("no resources is no resource", [allow(resources=[])], question(), "no_rule_allows"),
    ("no scopes is no scope", [allow("")], question(), "no_rule_allows"),
    ("no sensitivities is no scope", [allow(sensitivities=[])], question(), "no_rule_allows"),
    ("a deny of no scopes denies nothing", [allow(), deny("")], question(), "allowed: read"),
    ("a deny for no clients denies nothing", [allow(), deny(clients=[])], question(), "allowed: read"),
    (
        "empty conditions ask for nothing",
        [allow(acr=[], amr=[], networks=[], environments=[])],
        question(),
        "allowed: read",
    ),
    ("conditions of null ask for nothing", [allow(max_auth_age=None, not_after=None)], question(), "allowed: read"),
]

STATUS = [
    ("a pending client gets nothing", [allow()], question(client_status=ClientStatus.PENDING), "client_not_approved"),
    (
        "a suspended client gets nothing",
        [allow()],
        question(client_status=ClientStatus.SUSPENDED),
        "client_not_approved",
    ),
    ("a retired client gets nothing", [allow()], question(client_status=ClientStatus.RETIRED), "client_not_approved"),
    ("a status from nowhere gets nothing", [allow()], question(client_status="APPROVED"), "client_not_approved"),
    ("an empty status gets nothing", [allow()], question(client_status=""), "client_not_approved"),
    (
        "a suspended machine gets nothing",
        [allow(groups=None)],
        machine(client_status=ClientStatus.SUSPENDED),
        "client_not_approved",
    ),
]

CLIENTS = [
    ("the client named", [allow(clients=["agent"])], question(), "allowed: read"),
    ("one of the clients named", [allow(clients=["other", "agent"])], question(), "allowed: read"),
    ("another client", [allow(clients=["other"])], question(), "no_rule_allows"),
    ("a client_id is compared with its case", [allow(clients=["Agent"])], question(), "no_rule_allows"),
    ("the beginning of a client_id is not it", [allow(clients=["agen"])], question(), "no_rule_allows"),
    (
        "a CIMD client by its whole URL",
        [allow(clients=["https://a.example.com/client.json"])],
        cimd("a.example.com"),
        "allowed: read",
    ),
    ("a host by name", [allow(clients=["host:a.example.com"])], cimd("a.example.com"), "allowed: read"),
    ("a host ignores case", [allow(clients=["host:A.Example.com"])], cimd("a.EXAMPLE.com"), "allowed: read"),
    (
        "a host ignores the question's port",
        [allow(clients=["host:a.example.com"])],
        cimd("a.example.com:8443"),
        "allowed: read",
    ),
    ("a host ignores the final dot", [allow(clients=["host:a.example.com."])], cimd("a.example.com."), "allowed: read"),
    ("a host is not the one below it", [allow(clients=["host:example.com"])], cimd("a.example.com"), "no_rule_allows"),
    ("hosts below a domain", [allow(clients=["host:*.example.com"])], cimd("a.example.com"), "allowed: read"),
    ("hosts far below a domain", [allow(clients=["host:*.example.com"])], cimd("a.b.example.com"), "allowed: read"),
    ("hosts below, on a port", [allow(clients=["host:*.example.com"])], cimd("a.example.com:444"), "allowed: read"),
    ("not the domain itself", [allow(clients=["host:*.example.com"])], cimd("example.com"), "no_rule_allows"),
    (
        "not a domain that begins alike",
        [allow(clients=["host:*.example.com"])],
        cimd("a.example.com.evil.org"),
        "no_rule_allows",
    ),
    (
        "not a domain that ends alike",
        [allow(clients=["host:*.example.com"])],
        cimd("evilexample.com"),
        "no_rule_allows",
    ),
    ("a loopback address is a host", [allow(clients=["host:127.0.0.1"])], cimd("127.0.0.1:9100"), "allowed: read"),
    ("an IPv6 address is a host", [allow(clients=["host:[::1]"])], cimd("[::1]:9100"), "allowed: read"),
    ("another address is not", [allow(clients=["host:127.0.0.1"])], cimd("127.0.0.2"), "no_rule_allows"),
    ("a client without a host has no host", [allow(clients=["host:*.example.com"])], question(), "no_rule_allows"),
    (
        "a registered client that calls itself like a host pattern",
        [allow(clients=["host:a.example.com"])],
        question(client_id="host:a.example.com"),
        "no_rule_allows",
    ),
    ("a tag", [allow(clients=["tag:trusted"])], question(client_tags=("x", "trusted")), "allowed: read"),
    ("another tag", [allow(clients=["tag:trusted"])], question(client_tags=("x",)), "no_rule_allows"),
    (
        "a client that calls itself like a tag",
        [allow(clients=["tag:trusted"])],
        question(client_id="tag:trusted"),
        "no_rule_allows",
    ),
    ("a client that calls itself *", [allow(clients=["agent"])], question(client_id="*"), "no_rule_allows"),
    ("an owner", [allow(clients=["owner:alice"])], question(client_owner="alice"), "allowed: read"),
    ("another owner", [allow(clients=["owner:alice"])], question(client_owner="charlie"), "no_rule_allows"),
    ("an owner is not a tag", [allow(clients=["owner:alice"])], question(client_tags=("alice",)), "no_rule_allows"),
    ("no owner is not an owner", [allow(clients=["owner:alice"])], question(), "no_rule_allows"),
    (
        "an environment",
        [allow(clients=["environment:production"])],
        question(client_environment="production"),
        "allowed: read",
    ),
    (
        "another environment",
        [allow(clients=["environment:production"])],
        question(client_environment="staging"),
        "no_rule_allows",
    ),
    ("a kind", [allow(clients=["kind:dynamic"])], question(client_kind=ClientKind.DYNAMIC), "allowed: read"),
    ("another kind", [allow(clients=["kind:dynamic"])], question(), "no_rule_allows"),
    (
        "workloads",
        [allow(clients=["kind:workload"], groups=None)],
        machine(client_kind=ClientKind.WORKLOAD),
        "allowed: read",
    ),
    ("a deny by kind", [allow(), deny(clients=["kind:cimd"])], cimd("a.example.com"), "denied_by_rule"),
    ("a deny by host", [allow(), deny(clients=["host:*.evil.org"])], cimd("a.evil.org:8443"), "denied_by_rule"),
]

SUBJECTS = [
    ("a person by name", [allow(users=["bob"])], question(), "allowed: read"),
    ("another person", [allow(users=["bob"])], question(subject="charlie"), "no_rule_allows"),
    ("a name is compared with its case", [allow(users=["Bob"])], question(), "no_rule_allows"),
    ("a group", [allow(groups=["engineering"])], question(), "allowed: read"),
    ("another group", [allow(groups=["finance"])], question(), "no_rule_allows"),
    (
        "one of several groups",
        [allow(groups=["finance"])],
        question(groups=("engineering", "finance")),
        "allowed: read",
    ),
    (
        "a user named like a group",
        [allow(groups=["engineering"])],
        question(subject="engineering", groups=()),
        "no_rule_allows",
    ),
    (
        "a group named like a user",
        [allow(users=["bob"])],
        question(subject="charlie", groups=("bob",)),
        "no_rule_allows",
    ),
    ("by group though not by name", [allow(users=["alice"], groups=["engineering"])], question(), "allowed: read"),
    ("by name though not by group", [allow(users=["bob"], groups=["finance"])], question(), "allowed: read"),
    ("anybody signed in, by groups", [allow(groups=["*"])], question(groups=()), "allowed: read"),
    ("anybody signed in, by users", [allow(users=["*"])], question(groups=()), "allowed: read"),
    ("anybody signed in is no machine", [allow(groups=["*"])], machine(), "no_rule_allows"),
    ("any user is no machine", [allow(users=["*"])], machine(), "no_rule_allows"),
    ("a person without a name is nobody", [allow()], question(subject=""), "no_rule_allows"),
    ("not even as a member of a group", [allow(groups=["engineering"])], question(subject=""), "no_rule_allows"),
    ("nor a machine", [allow(groups=None)], question(subject=""), "no_rule_allows"),
    ("a rule without persons is for machines", [allow(groups=None)], machine(), "allowed: read"),
    (
        "two rules for machines",
        [allow("read", name="a", groups=None), allow("write", name="b", groups=None)],
        machine("read write"),
        "allowed: read write",
    ),
    ("and for no person", [allow(groups=None)], question(), "no_rule_allows"),
    ("groups of a machine count for nothing", [allow()], machine(groups=("engineering",)), "no_rule_allows"),
    ("a deny for machines denies no person", [allow(), deny(groups=None)], question(), "allowed: read"),
    ("a deny for persons denies no machine", [allow(groups=None), deny()], machine(), "allowed: read"),
    ("a deny for machines", [allow(groups=None), deny(groups=None)], machine(), "denied_by_rule"),
    ("a deny for one person", [allow(), deny(users=["charlie"])], question(subject="charlie"), "denied_by_rule"),
    ("leaves the others", [allow(), deny(users=["charlie"])], question(), "allowed: read"),
]

GRANTS = [
    ("the grant named", [allow(grant_types=["authorization_code"])], question(), "allowed: read"),
    ("another grant", [allow(grant_types=["client_credentials"])], question(), "no_rule_allows"),
    ("a grant by its URI", [allow(grant_types=[ID_JAG])], question(grant_type=ID_JAG), "allowed: read"),
    (
        "a refresh by the grant it comes from",
        [allow(grant_types=["authorization_code"])],
        question(**REFRESH),
        "allowed: read",
    ),
    ("a refresh by name", [allow(grant_types=["refresh_token"])], question(**REFRESH), "allowed: read"),
    ("what isn't a refresh is none", [allow(grant_types=["refresh_token"])], question(), "no_rule_allows"),
    (
        "a refresh of another grant",
        [allow(grant_types=["authorization_code"])],
        question(grant_type=ID_JAG, **REFRESH),
        "no_rule_allows",
    ),
    ("refreshing can be denied", [allow(), deny(grant_types=["refresh_token"])], question(**REFRESH), "denied_by_rule"),
    ("which leaves the first token", [allow(), deny(grant_types=["refresh_token"])], question(), "allowed: read"),
    ("a grant can be denied", [allow(), deny(grant_types=[ID_JAG])], question(grant_type=ID_JAG), "denied_by_rule"),
]

RESOURCES = [
    ("the resource named", [allow(resources=[NOTES])], question(), "allowed: read"),
    ("another resource", [allow(resources=[PAYROLL])], question(), "no_rule_allows"),
    ("one of several", [allow(resources=[PAYROLL, NOTES])], question(), "allowed: read"),
    ("a path below is another resource", [allow(resources=[NOTES])], question(resource=NOTES + "/x"), "no_rule_allows"),
    ("a path above is another resource", [allow(resources=[NOTES])], question(resource=NOTES[:-4]), "no_rule_allows"),
    (
        "a resource is compared letter by letter",
        [allow(resources=[NOTES])],
        question(resource=NOTES + "/"),
        "no_rule_allows",
    ),
    ("a question for * is no wildcard", [allow(resources=[NOTES])], question(resource="*"), "no_rule_allows"),
    ("a deny elsewhere", [allow(), deny(resources=[PAYROLL])], question(), "allowed: read"),
    ("a deny here", [allow(), deny(resources=[PAYROLL])], question(resource=PAYROLL), "denied_by_rule"),
]

SCOPES = [
    ("only what is allowed", [allow("read")], question("read write"), "narrowed: read"),
    ("in the order of the request", [allow("read write")], question("delete write read"), "narrowed: write read"),
    ("nothing left is a refusal", [allow("read")], question("write"), "no_rule_allows"),
    (
        "two rules together",
        [allow("read", name="a"), allow("write", name="b")],
        question("read write"),
        "allowed: read write",
    ),
    ("a rule allows no more than is asked", [allow("read write delete")], question("read"), "allowed: read"),
    ("a question for * is no wildcard", [allow("read")], question("*"), "no_rule_allows"),
    ("scopes are compared with their case", [allow("Read")], question("read"), "no_rule_allows"),
    ("a deny of one scope leaves the others", [allow(), deny("write")], question("read write"), "narrowed: read"),
    ("a deny of what isn't asked", [allow(), deny("write")], question("read"), "allowed: read"),
    ("a deny of all that is asked", [allow(), deny("read write")], question("read write"), "denied_by_rule"),
    ("a deny of every scope", [allow(), deny("*")], question("read write"), "denied_by_rule"),
    ("a deny outweighs a more exact allow", [allow("read", users=["bob"]), deny("*")], question(), "denied_by_rule"),
    (
        "two denies together",
        [allow(), deny("read", name="a"), deny("write", name="b")],
        question("read write"),
        "denied_by_rule",
    ),
    ("denied here, unheard of there", [allow("read"), deny("read")], question("read write"), "denied_by_rule"),
]

SENSITIVITY = [
    ("scopes of a sensitivity", [allow(sensitivities=["low"])], question("read write"), "narrowed: read"),
    ("of one of several", [allow(sensitivities=["low", "high"])], question("read write"), "allowed: read write"),
    ("of none of them", [allow(sensitivities=["medium"])], question("read"), "no_rule_allows"),
    (
        "names and sensitivities together",
        [allow("read write", sensitivities=["high"])],
        question("read write"),
        "narrowed: write",
    ),
    ("names are not enough", [allow("read", sensitivities=["high"])], question("read write"), "no_rule_allows"),
    (
        "a deny of high sensitivity",
        [allow(), deny(sensitivities=["high"])],
        question("read write delete"),
        "narrowed: read",
    ),
    ("an unknown sensitivity isn't allowed", [allow(sensitivities=["low"])], question("odd"), "no_rule_allows"),
    (
        "an unknown sensitivity is denied",
        [allow(), deny(sensitivities=["high"])],
        question("read odd"),
        "narrowed: read",
    ),
    (
        "it is denied only where the name fits",
        [allow(), deny("write", sensitivities=["high"])],
        question("odd"),
        "allowed: odd",
    ),
    ("unknown is no obstacle for other rules", [allow()], question("odd"), "allowed: odd"),
    ("an unknown one beside a known one", [allow(sensitivities=["low"])], question("odd read"), "narrowed: read"),
    (
        "a question that contradicts itself isn't believed",
        [allow(), deny(sensitivities=["high"])],
        dataclasses.replace(question(), scopes=(("write", "low"), ("write", "high"))),
        "denied_by_rule",
    ),
    ("high sensitivity waits", [allow(), require(sensitivities=["high"])], question("write"), "waits: write"),
    ("an unknown sensitivity waits", [allow(), require(sensitivities=["high"])], question("odd"), "waits: odd"),
    (
        "an unknown one isn't even waited for without an allow",
        [require(sensitivities=["high"])],
        question("odd"),
        "no_rule_allows",
    ),
]

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
    ("nobody knows when", [allow(max_auth_age=HOUR)], question(), "step_up_needed"),
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
    ("nobody knows how", [allow(amr=["otp"])], question(), "step_up_needed"),
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
    ("nor what nobody else could", [allow(acr=["gold"], users=["alice"])], question(), "no_rule_allows"),
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

APPROVALS = [
    ("it waits", [require()], question(), [], "waits: read"),
    ("an allow beside it doesn't help", [allow(), require()], question(), [], "waits: read"),
    ("approved", [require()], question(), [approval("read")], "allowed: read"),
    ("approved beside an allow", [allow(), require()], question(), [approval("read")], "allowed: read"),
    ("a deny outweighs it", [require(), deny()], question(), [], "denied_by_rule"),
    ("a deny outweighs the approval", [require(), deny()], question(), [approval("read")], "denied_by_rule"),
    (
        "approved for the rule that asks",
        [require(name="a")],
        question(),
        [approval("read", rules=("a", "b"))],
        "allowed: read",
    ),
    (
        "a rule that came later asks for itself",
        [require(name="late")],
        question(),
        [approval("read", rules=("a",))],
        "waits: read",
    ),
    (
        "of two rules that ask each was answered",
        [require(name="a"), require(name="b")],
        question(),
        [approval("read", rules=("a",)), approval("read", rules=("b",), id="b")],
        "waits: read",
    ),
    ("an approval alone allows nothing", [], question(), [approval("read")], "no_rule_allows"),
    (
        "an approval widens no allow",
        [allow("read")],
        question("read write"),
        [approval("read write")],
        "narrowed: read",
    ),
    ("one scope waits, so all wait", [allow(), require("write")], question("read write"), [], "waits: write"),
    ("what doesn't need it goes on", [allow(), require("write")], question("read"), [], "allowed: read"),
    ("only what is missing waits", [require()], question("read write"), [approval("read")], "waits: write"),
    (
        "two approvals together",
        [require()],
        question("read write"),
        [approval("read"), approval("write", id="b")],
        "allowed: read write",
    ),
    (
        "narrower than asked",
        [require()],
        question("read write"),
        [approval("read", declined=("write",))],
        "narrowed: read",
    ),
    (
        "declined as a whole",
        [require()],
        question("read write"),
        [approval("", declined=("read", "write"))],
        "approval_declined",
    ),
    (
        "declined, then approved",
        [require()],
        question(),
        [approval("", declined=("read",)), approval("read", id="b")],
        "allowed: read",
    ),
    ("declined, but nothing was needed", [allow()], question(), [approval("", declined=("read",))], "allowed: read"),
    (
        "a decline that has ended",
        [require()],
        question(),
        [approval("", declined=("read",), expires=NOW)],
        "waits: read",
    ),
    ("denied and waiting", [require(), deny("write")], question("read write"), [], "waits: read"),
    ("approved for another client", [require()], question(), [approval("read", client_id="other")], "waits: read"),
    ("approved for another person", [require()], question(), [approval("read", subject="alice")], "waits: read"),
    ("approved for a machine", [require()], question(), [approval("read", subject=None)], "waits: read"),
    ("approved for another resource", [require()], question(), [approval("read", resource=PAYROLL)], "waits: read"),
    ("approved for another scope", [require()], question(), [approval("write")], "waits: read"),
    ("an approval of * is of no scope", [require()], question(), [approval("*")], "waits: read"),
    ("approved for another grant", [require()], question(), [approval("read", grant_types=(ID_JAG,))], "waits: read"),
    ("approved for no grant", [require()], question(), [approval("read", grant_types=())], "waits: read"),
    ("approved for any grant", [require()], question(), [approval("read", grant_types=("*",))], "allowed: read"),
    ("approved, and refreshed", [require()], question(**REFRESH), [approval("read")], "allowed: read"),
    ("approved for later", [require()], question(), [approval("read", not_before=NOW + 1)], "waits: read"),
    ("approved from now", [require()], question(), [approval("read", not_before=NOW)], "allowed: read"),
    ("no longer approved", [require()], question(), [approval("read", expires=NOW)], "waits: read"),
    ("approved without an end", [require()], question(), [approval("read", expires=float("inf"))], "waits: read"),
    ("a machine waits", [require(groups=None)], machine(), [], "waits: read"),
    (
        "a machine's approval",
        [require(groups=None)],
        machine(),
        [approval("read", subject=None, grant_types=("*",))],
        "allowed: read",
    ),
    (
        "a suspended client's approval",
        [require()],
        question(client_status=ClientStatus.SUSPENDED),
        [approval("read")],
        "client_not_approved",
    ),
    (
        "it waits only in the network",
        [allow(), require(networks=["192.0.2.0/24"])],
        question(address=OFFICE),
        [],
        "allowed: read",
    ),
    ("it waits from nowhere known", [allow(), require(networks=["192.0.2.0/24"])], question(), [], "waits: read"),
    (
        "from nowhere known it permits nothing",
        [require(networks=["192.0.2.0/24"])],
        question(),
        [approval("read")],
        "no_rule_allows",
    ),
    (
        "but lifts what an allow permits",
        [allow(), require(networks=["192.0.2.0/24"])],
        question(),
        [approval("read")],
        "allowed: read",
    ),
    ("switched off", [allow(), require(enabled=False)], question(), [], "allowed: read"),
]

TABLE = [
    *NOTHING_BY_DEFAULT,
    *EMPTY_LISTS,
    *STATUS,
    *CLIENTS,
    *SUBJECTS,
    *GRANTS,
    *RESOURCES,
    *SCOPES,
    *SENSITIVITY,
    *PLACES_AND_TIMES,
    *SIGN_INS,
]


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


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(TABLE) + len(APPROVALS) >= 150


@pytest.mark.parametrize(("idea", "rules", "asked", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_it_decides(idea: str, rules: list[policy.Rule], asked: policy.AccessQuestion, expected: str) -> None:
    assert told(policy.decide(asked, policy.compile(rules), NOW)) == expected


@pytest.mark.parametrize(
    ("idea", "rules", "asked", "approvals", "expected"), APPROVALS, ids=[row[0] for row in APPROVALS]
)
def test_it_decides_with_approvals(
    idea: str, rules: list[policy.Rule], asked: policy.AccessQuestion, approvals: list[policy.Approval], expected: str
) -> None:
    assert told(policy.decide(asked, policy.compile(rules), NOW, approvals)) == expected
