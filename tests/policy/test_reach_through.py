"""What is reached through others: a table of rules, and what one agent reaches at the end of which path."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from authz.policy import Agent, ClientKind, ClientStatus, Connected, Passing, Person, Rule, Server, compile, through

from .cast import NOTES, NOW, rule

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
SEARCH, ARCHIVE = "https://search.example.com/mcp", "https://archive.example.com/mcp"
AFAR = "https://chat.example.net/mcp"


def agent(client_id: str, *grants: str, **facts: Any) -> Agent:
    given = {"status": ClientStatus.APPROVED, "kind": ClientKind.REGISTERED, "grant_types": grants or (EXCHANGE,)}
    return Agent(client_id=client_id, **(given | facts))


ASSISTANT = agent("assistant", "authorization_code", is_public=True)
ROBOT = agent("robot", "client_credentials")
NOTES_SERVER, SEARCH_SERVER = agent("notes-server"), agent("search-server")
BOB = Person(username="bob", groups=("engineering",))
SERVERS = [
    Server(identifier=NOTES, scopes=(("read", "low"), ("write", "high"))),
    Server(identifier=SEARCH, scopes=(("find", "low"), ("index", "high"))),
    Server(identifier=ARCHIVE, scopes=(("get", "low"),)),
    Server(identifier=AFAR, scopes=(("chat", ""),), authorization_server="https://as.example.net", labels=None),
]
PASSING = {
    NOTES: Passing(
        clients=frozenset({"notes-server"}),
        scopes={SEARCH: {"read": ["find"], "write": ["find", "index"]}, AFAR: {"read": ["chat"]}},
    ),
    SEARCH: Passing(
        clients=frozenset({"search-server"}), scopes={ARCHIVE: {"find": ["get"]}, NOTES: {"find": ["read"]}}
    ),
}


def at(resource: str, client: str, *through_: str, effect: str = "allow", **changes: object) -> Rule:
    path = {"through": list(through_)} if through_ else {}
    return rule(effect, name=f"{client} at {resource}", clients=[client], resources=[resource], **path, **changes)


DIRECT = at(NOTES, "assistant")
TO_SEARCH = at(SEARCH, "notes-server", "assistant")
TO_ARCHIVE = at(ARCHIVE, "search-server", "assistant", "notes-server")
TO_AFAR = at(AFAR, "notes-server", "assistant")
Row = tuple[str, str | None, list[str], str, str]


def found(*rules: Rule, agents: tuple[Agent, ...] = (ASSISTANT,), hops: int = 3, **changes: Any) -> list[Row]:
    given: dict[str, Any] = {"servers": SERVERS, "passing": PASSING, "exchangers": [NOTES_SERVER, SEARCH_SERVER]}
    answer = through(compile(rules), agents, [BOB], Connected(**(given | changes)), now=NOW, hops=hops)
    return [
        (
            ",".join(row.reach.clients),
            row.reach.subjects[0],
            [hop.client_id for hop in row.path],
            row.reach.resource,
            f"{' '.join(row.reach.scopes)}/{' '.join(row.reach.conditional)}/{' '.join(row.reach.waiting)}",
        )
        for row in answer.rows
    ]


SECOND: Row = ("assistant", "bob", ["notes-server"], SEARCH, "find index//")
THIRD: Row = ("assistant", "bob", ["notes-server", "search-server"], ARCHIVE, "get//")

TABLE: list[tuple[str, list[Rule], dict[str, Any], list[Row]]] = [
    ("no rule for the chain", [DIRECT], {}, []),
    ("a rule without through", [DIRECT, at(SEARCH, "notes-server")], {}, []),
    ("one hop", [DIRECT, TO_SEARCH], {}, [SECOND]),
    ("two hops", [DIRECT, TO_SEARCH, TO_ARCHIVE], {}, [SECOND, THIRD]),
    ("a rule that names one of two", [DIRECT, TO_SEARCH, at(ARCHIVE, "search-server", "assistant")], {}, [SECOND]),
    ("no root, no chain", [TO_SEARCH, TO_ARCHIVE], {}, []),
    ("the limit of hops", [DIRECT, TO_SEARCH, TO_ARCHIVE], {"hops": 1}, [SECOND]),
    ("a denial on the way", [DIRECT, TO_SEARCH, TO_ARCHIVE, at(SEARCH, "*", effect="deny")], {}, []),
    (
        "what the mapping gives",
        [at(NOTES, "assistant", scopes="read"), TO_SEARCH],
        {},
        [("assistant", "bob", ["notes-server"], SEARCH, "find//")],
    ),
    (
        "a condition at the root holds to the end",
        [at(NOTES, "assistant", networks=["10.0.0.0/8"]), TO_SEARCH, TO_ARCHIVE],
        {},
        [(*SECOND[:4], "/find index/"), (*THIRD[:4], "/get/")],
    ),
    (
        "an approval on the way holds to the end",
        [DIRECT, TO_SEARCH, TO_ARCHIVE, at(SEARCH, "*", "*", effect="require_approval")],
        {},
        [(*SECOND[:4], "//find index"), (*THIRD[:4], "//get")],
    ),
    ("another domain", [DIRECT, TO_AFAR], {}, [("assistant", "bob", ["notes-server"], AFAR, "chat//")]),
    (
        "a machine for itself",
        [at(NOTES, "robot", groups=None), at(SEARCH, "notes-server", "robot", groups=None)],
        {"agents": (ROBOT,)},
        [("robot", None, ["notes-server"], SEARCH, "find index//")],
    ),
    (
        "a machine has no ID-JAG",
        [at(NOTES, "robot", groups=None), at(AFAR, "notes-server", "robot", groups=None)],
        {"agents": (ROBOT,)},
        [],
    ),
    ("no circle of servers", [DIRECT, TO_SEARCH, at(NOTES, "search-server", "*")], {}, [SECOND]),
    (
        "no circle of agents",
        [at(NOTES, "notes-server"), at(SEARCH, "notes-server", "notes-server")],
        {"agents": (agent("notes-server", "authorization_code", EXCHANGE),)},
        [],
    ),
    ("a public exchanger", [DIRECT, TO_SEARCH], {"exchangers": [agent("notes-server", is_public=True)]}, []),
    (
        "a workload proves itself",
        [DIRECT, TO_SEARCH],
        {"exchangers": [agent("notes-server", is_public=True, kind=ClientKind.WORKLOAD)]},
        [SECOND],
    ),
    (
        "a suspended exchanger",
        [DIRECT, TO_SEARCH],
        {"exchangers": [agent("notes-server", status=ClientStatus.SUSPENDED)]},
        [],
    ),
    ("not registered for it", [DIRECT, TO_SEARCH], {"exchangers": [agent("notes-server", "client_credentials")]}, []),
]


@pytest.mark.parametrize(("case", "rules", "given", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_it_tells_what_is_reached_through_others(
    case: str, rules: list[Rule], given: Mapping[str, Any], expected: list[Row]
) -> None:
    assert found(*rules, **given) == expected, case


def test_it_says_by_which_rules() -> None:
    connected = Connected(servers=SERVERS, passing=PASSING, exchangers=[NOTES_SERVER])
    answer = through(compile([DIRECT, TO_SEARCH]), [ASSISTANT], [BOB], connected, now=NOW, hops=3)
    ((hop,),) = (row.path for row in answer.rows)
    assert (hop.resource, hop.client_id, hop.rules) == (NOTES, "notes-server", (TO_SEARCH.name,))


def test_an_agent_of_a_class_that_rules_tell_apart_in_paths_alone() -> None:
    """Two agents that reach the same directly: only the one that a path names goes on."""
    other = agent("other", "authorization_code", is_public=True)
    assert found(at(NOTES, "*"), TO_SEARCH, agents=(ASSISTANT, other)) == [SECOND]


def test_its_cost_is_bounded_however_many_servers_pass_on_to_each_other() -> None:
    urls = [f"https://{number}.example.com/mcp" for number in range(40)]
    servers = [Server(identifier=url, scopes=(("read", "low"),)) for url in urls]
    exchangers = [agent(f"server-{number}") for number in range(40)]
    passing = {
        url: Passing(clients=frozenset({f"server-{number}"}), scopes={to: {"read": ["read"]} for to in urls})
        for number, url in enumerate(urls)
    }
    rules = compile([rule("allow"), rule("allow", name="on", through=["*"]), *(at(url, "x", "y") for url in urls * 50)])
    connected = Connected(servers=servers, passing=passing, exchangers=exchangers)
    began = time.process_time()
    answer = through(rules, [ASSISTANT], [BOB], connected, now=NOW, hops=8, most=2000)
    assert (len(answer.rows), answer.is_complete) == (2000, False)
    assert time.process_time() - began < 5
