"""For a page that a person may not open: which roles may, and who can give such a role."""

import re
from collections.abc import Sequence
from typing import Any

from authz.models import ProtectedResource, User
from authz.sign_in.roles import allows

SHOWN = 3
_PERMISSION = re.compile(r"[a-z]+\.[a-z]+_[a-z_]+")
# The end of an admin page's name → what the page does.
_DOES = {"changelist": "view", "change": "view", "history": "view", "add": "add", "delete": "delete"}
_OF_A_MODEL = re.compile(r"([a-z]+)_([a-z]+)_([a-z]+)")


def permission_of(message: str, url_name: str) -> str:
    """The permission that was missing: as the refusal says it, or by the name of a model's page; "" if unknown."""
    if _PERMISSION.fullmatch(message):
        return message
    page = _OF_A_MODEL.fullmatch(url_name)
    return f"{page[1]}.{_DOES[page[3]]}_{page[2]}" if page and page[3] in _DOES else ""


def roles_with(permission: str) -> list[str]:
    """The labels of the roles that hold a permission. An administrator may do everything that a page offers."""
    return [label for role, label in User.Role.choices if role == User.Role.ADMINISTRATOR or allows(role, permission)]


def administrators() -> Sequence[str]:
    """The names of at most three people who can change a role."""
    rows = User.objects.filter(role=User.Role.ADMINISTRATOR, is_active=True).order_by("username")[:SHOWN]
    return [row.get_full_name() or row.username for row in rows]


def owners_of(pk: str, identifier: str) -> Sequence[str]:
    """The names of at most three owners of the MCP server that a page is about; () where it is about none."""
    named: dict[str, Any] = (
        {"identifier": identifier} if identifier else {"pk": int(pk)} if pk.isdecimal() and len(pk) < 19 else {}
    )
    found = ProtectedResource.objects.filter(**named).prefetch_related("owners").first() if named else None
    people = User.objects.filter(pk__in=found.owner_keys() if found else (), is_active=True).order_by("username")
    return [row.get_full_name() or row.username for row in people[:SHOWN]]
