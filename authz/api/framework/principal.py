"""The caller, and what it may do: a person's role and a token's scopes both limit."""

from dataclasses import dataclass

from authz.configuration import By
from authz.configuration.api_resource import APPROVE, PLAN, READ, WRITE
from authz.models import Client, User
from authz.sign_in import roles
from authz.sign_in.roles import APPROVE_AGENTS, CUT_OFF, DECIDE_PLANS, DECIDE_REQUESTS, END_AUTHORIZATIONS

_DECISIONS = frozenset({APPROVE_AGENTS, DECIDE_PLANS, DECIDE_REQUESTS, END_AUTHORIZATIONS, *CUT_OFF.values()})


def scope_for(permission: str) -> str:
    """The scope that a token needs for a permission. An unknown permission needs WRITE."""
    if permission in _DECISIONS:
        return APPROVE
    if permission == roles.PLAN:
        return PLAN
    return READ if permission.partition(".")[2].startswith("view_") else WRITE


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A person in the console's session (no client), a person through an agent, or an agent for itself (no person)."""

    person: User | None = None
    client: Client | None = None
    scopes: frozenset[str] = frozenset()

    def lacks_scope(self, permission: str) -> str:
        """The missing scope for a permission; "" if none is missing."""
        needed = scope_for(permission)
        return "" if self.client is None or needed in self.scopes else needed

    def may(self, permission: str) -> bool:
        if self.lacks_scope(permission):
            return False
        # An agent for itself has no role: the rule that gave it the scope decided what it may do.
        return self.client is not None if self.person is None else self.person.has_perm(permission)

    @property
    def by(self) -> By:
        """The caller's name in the audit."""
        name = self.person.username if self.person else ""
        if self.client is not None:
            name = f"{name} through {self.client.client_id}" if name else self.client.client_id
        return By(name=name, subject=str(self.person.subject) if self.person else "")

    @property
    def key(self) -> str:
        """One value for each principal, for rate limits."""
        person = f"person:{self.person.pk}" if self.person else ""
        return f"{person}/client:{self.client.pk}" if self.client else person
