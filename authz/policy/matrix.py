"""Who reaches what, as a table of agents and MCP servers; people stand in it as rules name them.

subjects(rules, persons)                      the people of the table: any person, groups, persons
cells(rules, agents, subjects, servers, now)  what is in reach, by agent and server
rules_between(rules, agent, resource)         the rules that decide about one cell
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from authz.policy.compiled import RuleSet, positions, union
from authz.policy.reach import Agent, Person, Reach, Server, agent_keys, reach
from authz.policy.rules import Rule

ITSELF, ANYONE = "itself", "any person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one subject gets in a cell. The three tuples of scopes are those of `Reach`; a scope is in one of them."""

    subject: str
    scopes: tuple[str, ...]
    waiting: tuple[str, ...]
    conditional: tuple[str, ...]


Cells = Mapping[tuple[str, str], tuple[Part, ...]]
"""By (client_id, identifier of the server); a cell that is not there is out of reach."""


def subjects(rules: RuleSet, persons: Iterable[Person]) -> dict[str, Person]:
    """By what they are called: any person, then the groups and then the persons that rules name.

    A group is a person who is in this group alone, so a cell never says more than the group by itself gives.
    """
    known = {person.username: person for person in persons}
    groups = sorted(rules.groups.keys() - {"*"})
    named = sorted((rules.users.keys() - {"*"}) & known.keys())
    return {
        ANYONE: _stand_in(ANYONE),
        **{f"group {name}": _stand_in(name, name) for name in groups},
        **{name: known[name] for name in named},
    }


def _stand_in(name: str, *groups: str) -> Person:
    # No account can have this character in its user name, so no rule names it.
    return Person(username=f"\0{name}", groups=groups)


def cells(
    rules: RuleSet,
    agents: Iterable[Agent],
    people: Mapping[str, Person],
    servers: Sequence[Server],
    now: float,
    *,
    machines: bool = True,
) -> Cells:
    """What is in reach. `machines`: whether what agents reach for themselves is in it, too."""
    called = {person.username: name for name, person in people.items()}
    order = {name: position for position, name in enumerate((ITSELF, *people))}
    found: dict[tuple[str, str], dict[str, list[Reach]]] = defaultdict(lambda: defaultdict(list))
    for row in reach(rules, agents, people.values(), servers, now, machines=machines):
        for client_id in row.clients:
            for subject in row.subjects:
                found[client_id, row.resource][ITSELF if subject is None else called[subject]].append(row)
    return {
        key: _without_repeats([_part(name, by_subject[name]) for name in sorted(by_subject, key=order.__getitem__)])
        for key, by_subject in found.items()
    }


def _part(subject: str, rows: Sequence[Reach]) -> Part:
    """By whatever grant gives most."""
    scopes = {name for row in rows for name in row.scopes}
    conditional = {name for row in rows for name in row.conditional} - scopes
    waiting = {name for row in rows for name in row.waiting} - scopes - conditional
    return Part(
        subject=subject,
        scopes=tuple(sorted(scopes)),
        waiting=tuple(sorted(waiting)),
        conditional=tuple(sorted(conditional)),
    )


def _without_repeats(parts: Sequence[Part]) -> tuple[Part, ...]:
    """A group or a person that gets what any person gets is not told again."""
    anyone = next((_answer(part) for part in parts if part.subject == ANYONE), None)
    return tuple(part for part in parts if part.subject in {ITSELF, ANYONE} or _answer(part) != anyone)


def _answer(part: Part) -> tuple[tuple[str, ...], ...]:
    return part.scopes, part.waiting, part.conditional


def rules_between(rules: RuleSet, agent: Agent, resource: str) -> list[Rule]:
    """The enabled rules that name both, whatever they say of people and scopes."""
    bits = union(rules.clients, agent_keys(agent)) & rules.rules_for_resource(resource)
    return [rules.rules[position] for position in positions(bits)]
