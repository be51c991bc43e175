"""Who may do what in the console: the role on a person's row, as Django permissions.

An administrator may do everything that a page offers (`is_superuser`, kept by the model). What no role may do,
such as changing the audit, is on no page.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.db.models import Model, Q, QuerySet

from authz.models import AccessRequest, Client, CutOff, ProtectedResource, User
from authz.models.protected_resource import owned_by

APPROVE_AGENTS = "authz.approve_client"
END_AUTHORIZATIONS = "authz.end_authorization"
DECIDE_REQUESTS = "authz.decide_accessrequest"
SELF = "authz.view_oneself"
ASK = "authz.add_accessrequest"
CONFIGURE = "authz.change_configuration"
PLAN = "authz.plan_configuration"
DECIDE_PLANS = "authz.decide_configurationplan"
# A developer: for agents of their own.
SIMULATE = "authz.view_simulator"
# The permission that ends access, by kind. Kinds without an entry are for administrators.
CUT_OFF = {
    "client": "authz.cut_off_client",
    "authorization": "authz.cut_off_authorization",
    "session": "authz.cut_off_session",
    "": "authz.cut_off_anything",
}
# The permission that an undo needs, by kind: that of giving the access anew. Other kinds are for administrators.
UNDO = {"client": APPROVE_AGENTS, "": CUT_OFF[""]}
SEE_CUT_OFFS = "authz.view_cutoff"
SEE_EXTENSIONS = "authz.view_extensionswitches"

# What an approver has to see to decide. Of other apps, all objects can be viewed.
_GRANTED: Mapping[str, frozenset[str]] = {
    User.Role.APPROVER: frozenset(
        {
            APPROVE_AGENTS,
            END_AUTHORIZATIONS,
            DECIDE_REQUESTS,
            ASK,
            CUT_OFF["client"],
            CUT_OFF["authorization"],
            CUT_OFF["session"],
        }
    ),
    User.Role.AUDITOR: frozenset(),
    User.Role.DEVELOPER: frozenset(
        {
            "authz.view_client",
            "authz.add_client",
            "authz.change_client",
            "authz.view_protectedresource",
            "authz.view_scope",
            "authz.view_accessrequest",
            ASK,
            SELF,
            SIMULATE,
        }
    ),
}
_SEES_EVERYTHING = frozenset({User.Role.APPROVER, User.Role.AUDITOR})


def allows(role: str, permission: str) -> bool:
    """Whether a role holds a permission, `app_label.codename`."""
    if role not in _GRANTED:
        return False
    codename = permission.partition(".")[2]
    return permission in _GRANTED[role] or (role in _SEES_EVERYTHING and codename.startswith("view_"))


def visible(user: User | None, agents: QuerySet[Client]) -> QuerySet[Client]:
    """The agents that a person may see: a developer's own; for other roles with the permission, all."""
    return agents.filter(owner=user) if user is not None and user.role == User.Role.DEVELOPER else agents


def visible_requests(user: User | None, requests: QuerySet[AccessRequest]) -> QuerySet[AccessRequest]:
    """A developer's: what is asked for them, and for agents of their own."""
    is_developer = user is not None and user.role == User.Role.DEVELOPER
    return requests.filter(Q(user=user) | Q(client__owner=user)) if is_developer else requests


def may_cut_off(user: User, kind: str, identifier: str) -> bool:
    """Whether a person may end the access of a target (authz/authorizations/cut_off.py). Approvers may also end that of
    MCP servers they own."""
    if user.has_perm(CUT_OFF.get(kind, CUT_OFF[""])):
        return True
    owned = ProtectedResource.objects.filter(owned_by(user), identifier=identifier)
    return kind == "resource" and user.has_perm(END_AUTHORIZATIONS) and owned.exists()


def may_undo(user: User, row: CutOff) -> bool:
    """Whether a person may undo it. The person needs both permissions, to end the access and to give it anew. If
    another person ended it, only an administrator may."""
    is_theirs = user.is_superuser or (row.by_subject != "" and row.by_subject == str(user.subject))
    may_make = user.has_perm(UNDO.get(row.kind, UNDO[""]))
    return is_theirs and may_make and may_cut_off(user, row.kind, row.identifier)


class RoleBackend(BaseBackend):
    """Answers Django's permission questions from the role, without a query."""

    def has_perm(self, user_obj: Any, perm: str, obj: Model | None = None) -> bool:
        return bool(user_obj.is_active) and allows(getattr(user_obj, "role", ""), perm)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return bool(user_obj.is_active) and getattr(user_obj, "role", "") in _GRANTED
