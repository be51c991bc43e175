"""Who may approve what a rule holds, and how many of them it takes.

A rule that asks for an approval says it in `approvers`, or else the MCP server does, or else it is `DEFAULT`. What is
named adds up: a person is an approver if any of it names them. No one else is, not even administrators.

owner    whether the MCP server's owner is one.
users    user names.
groups   names of groups.
roles    roles in the console.
count    how many different people it takes.
"""

from collections.abc import Collection
from dataclasses import dataclass

from authz.policy.parsing import RuleError, mapping, switch, texts, whole_number
from authz.policy.value_kinds import not_this

ROLES = ("administrator", "approver")
# More would wait for each other for ever.
MAX_APPROVERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvers:
    """See above. A person who is named needs no role in the console."""

    owner: bool = False
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    count: int = 1

    @classmethod
    def from_mapping(cls, value: object, field: str = "approvers") -> "Approvers":
        """Approvers from their shape in YAML or JSON. Raises RuleError, also for approvers that name no one."""
        given = mapping(value, field, ("owner", "users", "groups", "roles", "count"))
        found = cls(
            owner=switch(given.get("owner", False), f"{field}.owner"),
            users=_exact(given.get("users", ()), f"{field}.users"),
            groups=_exact(given.get("groups", ()), f"{field}.groups"),
            roles=_roles(given.get("roles", ()), f"{field}.roles"),
            count=whole_number(given.get("count", 1), f"{field}.count"),
        )
        if found.count > MAX_APPROVERS:
            raise RuleError(f"{field}.count", f"must be at most {MAX_APPROVERS}.")
        if not (found.owner or found.users or found.groups or found.roles):
            raise RuleError(field, "names no one: give it an owner, users, groups or roles.")
        alone = found.owner and not (found.groups or found.roles)
        if not found.groups and not found.roles and len(found.users) + alone < found.count:
            raise RuleError(f"{field}.count", "is more than the people who are named.")
        return found

    def to_mapping(self) -> dict[str, object]:
        """The shape that `from_mapping` reads, without what is at its default."""
        shape: dict[str, object] = {"owner": True} if self.owner else {}
        for field in ("users", "groups", "roles"):
            if named := getattr(self, field):
                shape[field] = list(named)
        return shape if self.count == 1 else {**shape, "count": self.count}

    def mean(self, *, username: str, groups: Collection[str], role: str, is_owner: bool) -> bool:
        """Whether a person is one of them. `is_owner`: of the MCP server that is asked for."""
        return (
            (self.owner and is_owner)
            or username in self.users
            or role in self.roles
            or any(group in self.groups for group in groups)
        )


def _exact(value: object, field: str) -> tuple[str, ...]:
    found = texts(value, field)
    if "*" in found:
        raise RuleError(field, "must be exact: approvers can't be everyone.")
    return found


def _roles(value: object, field: str) -> tuple[str, ...]:
    found = texts(value, field)
    for position, role in enumerate(found):
        if role not in ROLES:
            raise RuleError(f"{field}[{position}]", f"must be one of {', '.join(ROLES)}{not_this(role)}.")
    return found


def approvers_or_none(value: object, field: str = "approvers") -> Approvers | None:
    return None if value is None else Approvers.from_mapping(value, field)


def phrase(approvers: Approvers) -> str:
    """In words, such as "two of: the server’s owner, alice, members of payroll-leads"."""
    named = ["the server’s owner"] if approvers.owner else []
    named += approvers.users
    named += [f"members of {group}" for group in approvers.groups]
    named += [f"{'an' if role[0] in 'ai' else 'a'} {role}" for role in approvers.roles]
    if approvers.count > 1:
        return f"{_NUMBERS[approvers.count]} of: {', '.join(named)}"
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} or {named[-1]}"


_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
