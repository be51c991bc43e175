"""What a binding wants of a workload's claims, and where the claims of an assertion differ from it. Pure.

Platforms write the same fact in several forms: GitHub puts every number and boolean into a string, GitLab and
Kubernetes do not; some nest their claims, some put dots or whole URLs into a name. So

- numbers, booleans and strings are the same if JSON writes them alike: 12345 is "12345", true is "true", 1 is not true;
- a name is a claim's name, or leads into objects at its dots: `kubernetes.io.namespace` is what `kubernetes.io` says of
  `namespace`. Where it leads to several places each must have the value, so that a workload that may add claims of its
  own cannot add a second, better one;
- an object that is wanted must be there with at least these members, a list with at least these values, in any order;
  an empty one is the same only as an empty one, and one value is the same as a list that has it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_LONGEST = 120  # characters of a value that are shown


@dataclass(frozen=True, slots=True)
class Difference:
    """A claim that is not what the binding wants: all that the claims have under the name, and what is wanted."""

    name: str
    found: tuple[Any, ...]
    wanted: Any

    def __str__(self) -> str:
        found = " and ".join(shown(value) for value in self.found) or "absent"
        return f"{self.name} is {found}, and the binding wants {shown(self.wanted)}"


def differences(wanted: Mapping[str, Any], claims: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The wanted claims that are not there, or have another value; none means that the binding's claims hold."""
    return tuple(
        Difference(name, found, value)
        for name, value in wanted.items()
        if not (found := tuple(_at(name, claims))) or not all(_is(value, one) for one in found)
    )


def shown(value: object) -> str:
    """A value with its JSON type, shortened."""
    kinds: dict[type, str] = {bool: "boolean", int: "number", float: "number", str: "string", list: "list"}
    kind = "null" if value is None else kinds.get(type(value), "object")
    text = f'"{value}"' if isinstance(value, str) else _text(value)
    return f"{text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…'} ({kind})"


def _at(name: str, claims: Mapping[str, Any]) -> Iterator[Any]:
    """All that the name may mean: the claim of just this name, and what objects say of its rest behind a dot."""
    if name in claims:
        yield claims[name]
    place = name.find(".")
    while place >= 0:
        inner = claims.get(name[:place])
        if isinstance(inner, dict):
            yield from _at(name[place + 1 :], inner)
        place = name.find(".", place + 1)


def _is(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, list):
        there = found if isinstance(found, list) else [found]
        return bool(wanted) == bool(there) and all(any(_is(one, other) for other in there) for one in wanted)
    if isinstance(found, list):
        return any(_is(wanted, one) for one in found)
    if isinstance(wanted, dict):
        holds = isinstance(found, dict) and bool(wanted) == bool(found)
        return holds and not differences(wanted, found)
    return not isinstance(found, dict) and (wanted is None) == (found is None) and _text(wanted) == _text(found)


def _text(value: Any) -> str:
    """A value as JSON writes it, a string without its quotation marks; a whole number has no fraction."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "null" if value is None else str(value)
