"""Who reaches what as a table: people stand in it as rules name them."""

import pytest

from authz.policy import Person, Rule, compile
from authz.policy.matrix import ANYONE, ITSELF, Part, cells, rules_between, subjects

from .cast import NOTES, NOW, PAYROLL, allow, deny, require
from .test_reach import ALICE, AT_NOTES, AT_PAYROLL, BOB, CODE, MACHINE, agent

ENGINEERS = allow(name="engineers", groups=["engineering"], resources=[NOTES], scopes="read")
EVERYONE = allow(name="everyone", groups=["*"], resources=[NOTES], scopes="read")


def table(*rules: Rule, machines: bool = True) -> dict[tuple[str, str], dict[str, tuple[str, ...]]]:
    """What each subject gets at once, by cell."""
    compiled = compile(rules)
    people = subjects(compiled, [ALICE, BOB])
    asked = [agent("desktop", grant_types=(CODE,)), agent("job", grant_types=(MACHINE,))]
    found = cells(compiled, asked, people, [AT_NOTES, AT_PAYROLL], NOW, machines=machines)
    return {key: {part.subject: part.scopes for part in parts} for key, parts in found.items()}


def test_the_people_are_those_that_rules_name() -> None:
    rules = compile([ENGINEERS, allow(name="bob", users=["bob", "gone"])])
    assert list(subjects(rules, [ALICE, BOB])) == [ANYONE, "group engineering", "bob"]
    assert subjects(rules, [ALICE, BOB])["bob"] == BOB


def test_a_rule_that_is_switched_off_names_no_one() -> None:
    off = allow(name="off", groups=["engineering"], users=["bob"], enabled=False)
    assert list(subjects(compile([off]), [BOB])) == [ANYONE]


def test_a_group_reaches_what_its_rule_allows() -> None:
    assert table(ENGINEERS) == {("desktop", NOTES): {"group engineering": ("read",)}}


def test_a_group_that_gets_what_any_person_gets_is_not_told_again() -> None:
    more = allow(name="more", groups=["engineering"], resources=[PAYROLL])
    found = table(EVERYONE, more)
    assert found["desktop", NOTES] == {ANYONE: ("read",)}
    assert list(found["desktop", PAYROLL]) == ["group engineering"]


def test_a_denied_group_is_told_by_its_absence_and_the_person_by_name() -> None:
    found = table(EVERYONE, deny(name="not bob", users=["bob"], scopes="*"))
    assert found["desktop", NOTES] == {ANYONE: ("read",)}


def test_an_agent_reaches_for_itself() -> None:
    mine = allow(name="mine", clients=["job"], groups=None, grant_types=[MACHINE])
    assert list(table(mine)["job", NOTES]) == [ITSELF]
    assert table(mine, machines=False) == {}


@pytest.mark.parametrize("username", [f"\0{ANYONE}", "engineering"])
def test_no_account_is_taken_for_a_stand_in(username: str) -> None:
    rules = compile([ENGINEERS])
    stand_in = subjects(rules, [Person(username=username)])["group engineering"]
    assert stand_in.username not in {"engineering", f"\0{ANYONE}"}
    assert stand_in.groups == ("engineering",)


def test_each_scope_is_in_one_place_only() -> None:
    waits = require(name="wait", groups=["engineering"], scopes="write")
    writes = allow(name="w", groups=["engineering"], scopes="read write")
    rules = compile([writes, waits])
    found = cells(rules, [agent("desktop")], subjects(rules, []), [AT_NOTES], NOW)
    assert found["desktop", NOTES] == (
        Part(subject="group engineering", scopes=("read",), waiting=("write",), conditional=()),
    )


def test_the_rules_of_a_cell_name_its_agent_and_its_server() -> None:
    here = allow(name="here", clients=["desktop"], resources=[NOTES])
    elsewhere = allow(name="elsewhere", clients=["desktop"], resources=[PAYROLL])
    others = deny(name="others", clients=["job"], resources=["*"])
    off = deny(name="off", clients=["*"], resources=["*"], enabled=False)
    everywhere = deny(name="everywhere", clients=["*"], resources=["*"])
    rules = compile([here, elsewhere, others, off, everywhere])
    assert {rule.name for rule in rules_between(rules, agent("desktop"), NOTES)} == {"here", "everywhere"}
