"""What there is for rules to name, and what is said of a name that matches nothing."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from authz.policy.question import ClientStatus
from authz.policy.reach import Agent, Server, agent_keys

# (problem, suggestion) of an entry that matches nothing; None for one that matches something.
Finding = tuple[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """One thing that a rule names and that does not exist, or does not go together.

    field        where it stands, such as `clients[0]` or `conditions.environments`.
    value        what stands there; "" for a list as a whole.
    problem      a sentence for the author of the rule, with the name that was probably meant.
    suggestion   that name, "" where none is close.
    is_fatal     whether for this reason alone the rule matches nothing at all.
    """

    field: str
    value: str
    problem: str
    suggestion: str = ""
    is_fatal: bool = False


@dataclass(frozen=True, kw_only=True)
class Known:
    """What there is for rules to name.

    users, groups   those that exist among the ones that rules name, and others that may have been meant.
    hosts           patterns of the hosts whose clients may introduce themselves.
    """

    agents: Sequence[Agent]
    servers: Sequence[Server]
    users: Collection[str] = ()
    groups: Collection[str] = ()
    hosts: Collection[str] = ()
    grant_types: Collection[str] = ()

    @cached_property
    def agents_by_key(self) -> Mapping[str, list[Agent]]:
        """Agents under each key by which rules find them (`clients.py`)."""
        found: dict[str, list[Agent]] = {}
        for agent in self.agents:
            if agent.status is ClientStatus.RETIRED:
                continue
            for key in agent_keys(agent):
                found.setdefault(key, []).append(agent)
        return found

    def admits(self, host: str) -> bool:
        """Whether a client of this host, or of one below it (`*.example.com`), may introduce itself."""
        bare = host.removeprefix("*.")
        return any(
            pattern in {"*", host}
            or (pattern.startswith("*.") and bare.endswith(pattern[1:]))
            or (host.startswith("*.") and pattern.removeprefix("*.").endswith(host[1:]))
            for pattern in self.hosts
        )


def values(keys: Iterable[str], selector: str) -> list[str]:
    """What stands behind a selector in the keys: the tags, the owners, the environments."""
    return [key.removeprefix(f"{selector}:") for key in keys if key.startswith(f"{selector}:")]


def entries(field: str, names: Sequence[str], check: Callable[[str], Finding]) -> list[Unmatched]:
    """The entries of a list that match nothing; each is fatal where none of the list matches anything."""
    found = [(position, name, problem) for position, name in enumerate(names) if (problem := check(name))]
    is_fatal = bool(names) and len(found) == len(names)
    return [
        Unmatched(field=f"{field}[{position}]", value=name, problem=said, suggestion=near, is_fatal=is_fatal)
        for position, name, (said, near) in found
    ]
