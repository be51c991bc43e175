"""Who may do what in the console: the role on a person's row, as Django permissions.

An administrator may do everything that a page offers (`is_superuser`, kept by the model). What nobody may do, such as
changing the audit, no page offers.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.db.models import Model

from authz.models import User

APPROVE_AGENTS = "authz.approve_client"
END_AUTHORIZATIONS = "authz.end_authorization"
DECIDE_REQUESTS = "authz.decide_accessrequest"

# What an approver must see to decide well; a room's own objects come with `view_` anywhere.
_GRANTED: Mapping[str, frozenset[str]] = {
    User.Role.APPROVER: frozenset({APPROVE_AGENTS, END_AUTHORIZATIONS, DECIDE_REQUESTS}),
    User.Role.AUDITOR: frozenset(),
    User.Role.DEVELOPER: frozenset(
        {
            "authz.view_client",
            "authz.add_client",
            "authz.change_client",
            "authz.view_protectedresource",
            "authz.view_scope",
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


class RoleBackend(BaseBackend):
    """Answers Django's permission questions from the role, without a query."""

    def has_perm(self, user_obj: Any, perm: str, obj: Model | None = None) -> bool:
        return bool(user_obj.is_active) and allows(getattr(user_obj, "role", ""), perm)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return bool(user_obj.is_active) and getattr(user_obj, "role", "") in _GRANTED
