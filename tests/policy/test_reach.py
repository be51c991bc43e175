"""Who can reach what, over many agents, persons and servers."""

import importlib

import pytest

from authz.policy import Agent, ClientKind, ClientStatus, Person, Reach, Rule, Server, compile, reach

from .cast import NOTES, NOW, PAYROLL, allow, approval, deny, require

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CODE, MACHINE = "authorization_code", "client_credentials"


def agent(client_id: str = "agent", **facts: object) -> Agent:
    given: dict[str, object] = {
        "status": ClientStatus.APPROVED,
        "kind": ClientKind.REGISTERED,
        "grant_types": (CODE, "refresh_token"),
    }
    return Agent(client_id=client_id, **(given | facts))  # type: ignore[arg-type] # facts by name


ALICE, BOB, CHARLIE = (
    Person(username="alice", groups=("engineering",)),
    Person(username="bob"),
    Person(username="charlie"),
)
AT_NOTES = Server(identifier=NOTES, scopes=(("read", "low"), ("write", "high")))
AT_PAYROLL = Server(identifier=PAYROLL, scopes=(("read", "low"),))


def row(**changes: object) -> Reach:
    given: dict[str, object] = {
        "clients": ("agent",),
        "subjects": ("alice",),
        "resource": NOTES,
        "grant_types": (CODE,),
        "scopes": (),
        "waiting": (),
        "conditional": (),
    }
    return Reach(**(given | changes))  # type: ignore[arg-type] # facts by name


ROWS: list[tuple[str, list[Rule], Agent, Person, list[Reach]]] = [
    ("nothing by default", [], agent(), ALICE, []),
    ("what is allowed", [allow("read")], agent(), ALICE, [row(scopes=("read",))]),
    ("what waits", [allow("read"), require("write")], agent(), ALICE, [row(scopes=("read",), waiting=("write",))]),
    ("what is denied", [allow("read"), deny("read")], agent(), ALICE, []),
    ("what a better sign-in gets", [allow(max_auth_age=60)], agent(), ALICE, [row(conditional=("read", "write"))]),
    (
        "what the right network gets",
        [allow(networks=["10.0.0.0/8"])],
        agent(),
        ALICE,
        [row(conditional=("read", "write"))],
    ),
    (
        "what is denied only from some network",
        [allow("read"), deny(networks=["10.0.0.0/8"])],
        agent(),
        ALICE,
        [row(conditional=("read",))],
    ),
    (
        "what waits after a better sign-in",
        [require("read", acr=["gold"])],
        agent(),
        ALICE,
        [row(waiting=("read",))],
    ),
    (
        "what waits only from some network",
        [allow("read"), require("read", networks=["10.0.0.0/8"])],
        agent(),
        ALICE,
        [row(conditional=("read",))],
    ),
    (
        "what waits after some sign-ins",
        [allow("read"), require("read", acr=["bronze"])],
        agent(),
        ALICE,
        [row(conditional=("read",))],
    ),
    (
        "that waiting does not avoid an approval",
        [allow("read"), require("read", max_auth_age=60)],
        agent(),
        ALICE,
        [row(waiting=("read",))],
    ),
    (
        "what waits in its hours",
        [allow("read"), require("read", hours={"from": "08:00", "to": "09:00"})],
        agent(),
        ALICE,
        [row(conditional=("read",))],
    ),
    (
        "what is allowed at another hour",
        [allow("read", hours={"from": "09:00", "to": "10:00"})],
        agent(),
        ALICE,
        [row(conditional=("read",))],
    ),
    (
        "what is denied at this hour",
        [allow("read"), deny(hours={"from": "08:00", "to": "09:00"})],
        agent(),
        ALICE,
        [row(conditional=("read",))],
    ),
    (
        "what is going to be allowed",
        [allow("read", not_before="2027-01-16")],
        agent(),
        ALICE,
        [row(conditional=("read",))],
    ),
    (
        "what is denied for a time",
        [allow("read"), deny(not_after="2027-01-16")],
        agent(),
        ALICE,
        [row(conditional=("read",))],
    ),
    ("what is denied from now on", [allow("read"), deny(not_before="2027-01-14")], agent(), ALICE, []),
    (
        "what is denied elsewhere",
        [allow("read"), deny(environments=["e"])],
        agent(environment="e"),
        ALICE,
        [],
    ),
    ("what has ended", [allow(not_after="2027-01-15T08:00:00Z")], agent(), ALICE, []),
    ("not through an agent that waits", [allow()], agent(status=ClientStatus.PENDING), ALICE, []),
    ("only by grants it is registered for", [allow(grant_types=[JWT_BEARER])], agent(), ALICE, []),
    (
        "by every grant that fits",
        [allow("read")],
        agent(grant_types=(CODE, MACHINE, JWT_BEARER)),
        ALICE,
        [row(grant_types=(CODE, JWT_BEARER), scopes=("read",))],
    ),
    (
        "differently by different grants",
        [allow("read"), deny(grant_types=[CODE])],
        agent(grant_types=(CODE, JWT_BEARER)),
        ALICE,
        [row(grant_types=(JWT_BEARER,), scopes=("read",))],
    ),
    (
        "by sensitivity",
        [allow("read", sensitivities=["low"])],
        agent(),
        ALICE,
        [row(scopes=("read",))],
    ),
    (
        "by tag",
        [allow("read", clients=["tag:x"])],
        agent(tags=("x",)),
        ALICE,
        [row(scopes=("read",))],
    ),
    ("by owner", [allow("read", clients=["owner:o"])], agent(owner="o"), ALICE, [row(scopes=("read",))]),
    (
        "by environment",
        [allow("read", clients=["environment:e"])],
        agent(environment="e"),
        ALICE,
        [row(scopes=("read",))],
    ),
    ("in an environment", [allow("read", environments=["e"])], agent(environment="e"), ALICE, [row(scopes=("read",))]),
    ("by host", [allow("read", clients=["host:h.example"])], agent(host="h.example"), ALICE, [row(scopes=("read",))]),
    ("by kind", [allow("read", clients=["kind:cimd"])], agent(kind=ClientKind.CIMD), ALICE, [row(scopes=("read",))]),
    ("at the server named", [allow("read", resources=[NOTES])], agent(), ALICE, [row(scopes=("read",))]),
    ("at another", [allow("read", resources=[PAYROLL])], agent(), ALICE, []),
    (
        "after a better sign-in, within hours",
        [allow("read", acr=["gold"], hours={"from": "08:00", "to": "09:00"})],
        agent(),
        ALICE,
        [row(conditional=("read",))],
    ),
    ("by group", [allow("read", groups=["engineering"])], agent(), ALICE, [row(scopes=("read",))]),
]


@pytest.mark.parametrize(("idea", "rules", "through", "person", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_it_tells(idea: str, rules: list[Rule], through: Agent, person: Person, expected: list[Reach]) -> None:
    assert list(reach(compile(rules), [through], [person], [AT_NOTES], NOW)) == expected


def test_a_machine_reaches_for_itself() -> None:
    machine = agent(grant_types=(CODE, MACHINE, JWT_BEARER))
    rows = reach(compile([allow("read", groups=None)]), [machine], [ALICE], [AT_NOTES], NOW)
    assert list(rows) == [row(subjects=(None,), grant_types=(MACHINE, JWT_BEARER), scopes=("read",))]


def test_the_reach_of_machines_is_left_out_unless_requested() -> None:
    rules = compile([allow("read", groups=None), allow("write")])
    through = agent(grant_types=(CODE, MACHINE))
    assert len(reach(rules, [through], [ALICE], [AT_NOTES], NOW)) == 2
    assert reach(rules, [through], [ALICE], [AT_NOTES], NOW, machines=False) == (row(scopes=("write",)),)


def test_who_can_reach_this_server() -> None:
    agents = [agent("b", tags=("x",)), agent("a", tags=("x",)), agent("c"), agent("d", tags=("x",), environment="test")]
    rules = compile([allow("read", clients=["tag:x"], users=["alice", "bob"]), allow("write", users=["alice"])])
    rows = reach(rules, agents, [ALICE, BOB, CHARLIE], [AT_NOTES], NOW)
    assert list(rows) == [
        row(clients=("a", "b"), subjects=("alice",), scopes=("read", "write")),
        row(clients=("a", "b"), subjects=("bob",), scopes=("read",)),
        row(clients=("c",), subjects=("alice",), scopes=("write",)),
        row(clients=("d",), subjects=("alice",), scopes=("read", "write")),
        row(clients=("d",), subjects=("bob",), scopes=("read",)),
    ]


def test_what_this_agent_can_reach() -> None:
    rules = compile([allow("read"), deny(resources=[PAYROLL], users=["bob"])])
    rows = reach(rules, [agent()], [ALICE, BOB], [AT_NOTES, AT_PAYROLL], NOW)
    assert list(rows) == [
        row(scopes=("read",)),
        row(resource=PAYROLL, scopes=("read",)),
        row(subjects=("bob",), scopes=("read",)),
    ]


def test_agents_of_different_grants_are_told_apart() -> None:
    agents = [agent("a"), agent("b", grant_types=(MACHINE,)), agent("c", grant_types=("refresh_token", CODE))]
    rows = reach(compile([allow("read")]), agents, [ALICE], [AT_NOTES], NOW)
    assert [found.clients for found in rows] == [("a", "c")]


def test_an_approval_holds_for_its_own_agent_and_person_only() -> None:
    agents, persons = [agent("agent"), agent("other")], [ALICE, BOB, CHARLIE]
    rows = reach(compile([require("read")]), agents, persons, [AT_NOTES], NOW, approvals=[approval("read")])
    assert [(found.clients, found.subjects, found.scopes, found.waiting) for found in rows] == [
        (("agent",), ("alice", "charlie"), (), ("read",)),
        (("agent",), ("bob",), ("read",), ()),
        (("other",), ("alice", "charlie"), (), ("read",)),
        (("other",), ("bob",), (), ("read",)),
    ]


def test_a_machines_approval_is_its_own() -> None:
    agents = [agent(name, grant_types=(MACHINE,)) for name in ("agent", "other")]
    approved = approval("read", subject=None, grant_types=("*",))
    rows = reach(compile([require("read", groups=None)]), agents, [], [AT_NOTES], NOW, approvals=[approved])
    assert [(found.clients, found.scopes, found.waiting) for found in rows] == [
        (("agent",), ("read",), ()),
        (("other",), (), ("read",)),
    ]


def test_an_unknown_sensitivity_is_reached_at_best() -> None:
    odd = Server(identifier=NOTES, scopes=(("odd", ""),))
    rules = compile([allow(), deny(sensitivities=["high"])])
    assert list(reach(rules, [agent()], [ALICE], [odd], NOW)) == [row(conditional=("odd",))]


def test_an_unknown_sensitivity_may_at_best_be_approved() -> None:
    odd = Server(identifier=NOTES, scopes=(("odd", ""),))
    rules = compile([require(sensitivities=["high"])])
    assert list(reach(rules, [agent()], [ALICE], [odd], NOW)) == [row(waiting=("odd",))]


def test_what_was_declined_is_out_of_reach() -> None:
    declined = approval("", declined=("read",))
    assert list(reach(compile([require("read")]), [agent()], [BOB], [AT_NOTES], NOW, approvals=[declined])) == []


def test_ten_thousand_alike_are_decided_once(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("authz.policy.reach")
    calls: list[int] = []
    real = module.decide
    monkeypatch.setattr(module, "decide", lambda *arguments: (calls.append(1), real(*arguments))[1])
    agents = [agent(f"agent-{number}") for number in range(10_000)]
    (found,) = reach(compile([allow("read")]), agents, [ALICE, CHARLIE], [AT_NOTES], NOW)
    assert len(found.clients) == 10_000
    assert found.subjects == ("alice", "charlie")
    assert len(calls) == len(AT_NOTES.scopes)
