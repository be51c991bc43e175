"""Where people and groups come from: this server, trusted issuers, directories.

A group source (`GROUP_SOURCES`, authz/registry.py) may say which people it knows. Each of these is optional:

ORIGIN                 its kind, as a value and in words.
people()               the query of the people that it knows.
knows(user_pks)        user's key → what it says of the person, of those that it knows.
names_groups(names)    group → who names it, of those that count here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from authz import registry

# A person or a group that no source knows.
HERE = "here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What one party says of a person: `by` its name, `said` in words, `when` it said so last (None: not known)."""

    by: str
    said: str
    when: datetime | None


def _sources(name: str) -> list[Any]:
    return [source for source in registry.group_sources() if hasattr(source, name)]


def kinds() -> Sequence[tuple[str, str]]:
    """The kinds of origins, as a value and in words; this server first."""
    return [(HERE, "This server alone"), *(source.ORIGIN for source in _sources("ORIGIN"))]


def of_kind(kind: str) -> Q:
    """The people of one kind of origin."""
    sources = _sources("people")
    if kind == HERE:
        known = Q()
        for source in sources:
            known &= ~source.people()
        return known
    found = [source.people() for source in sources if source.ORIGIN[0] == kind]
    return found[0] if found else Q(pk=None)


def known(user_pks: Collection[int]) -> Mapping[int, Sequence[Known]]:
    """What all sources say of these people. One statement a source."""
    found: dict[int, list[Known]] = {}
    for source in _sources("knows"):
        for pk, said in source.knows(user_pks).items():
            found.setdefault(pk, []).extend(said)
    return found


def groups_named(names: Collection[str]) -> Mapping[str, Sequence[str]]:
    """Group → who names it, of those groups that a source names. One statement a source."""
    found: dict[str, list[str]] = {}
    for source in _sources("names_groups"):
        for name, parties in source.names_groups(names).items():
            found.setdefault(name, []).extend(parties)
    return found
