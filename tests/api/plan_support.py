"""Two administrators, and a file that they plan."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from authz.configuration import apply
from authz.models import AuditEvent, User
from tests.api.conftest import Caller
from tests.support.world import NOTES, World

Person = Callable[[str], Caller]
RULE = {"name": "No writes at night", "effect": "deny", "clients": ["*"], "resources": [NOTES], "scopes": ["mcp:write"]}
FILE = {"rules": [RULE]}
STRONG = "planned-secret-0123456789-0123456789"


@pytest.fixture
def alice(person: Person) -> Caller:
    return person("administrator")


@pytest.fixture
def adam(person: Person, gatehouse: World) -> Caller:
    """Another administrator."""
    apply("users: [{username: adam, role: administrator, password: adam-password-1}]")
    caller = person("approver")
    caller.browser.force_login(
        User.objects.get(username="adam"), backend="authz.sign_in.password_backend.PasswordBackend"
    )
    return caller


def planned(caller: Caller, file: object = FILE, query: str = "") -> dict[str, Any]:
    response = caller("POST", f"plans{query}", file)
    assert response.status_code == 201, response.content
    return json.loads(response.content)


def events(kind: str) -> list[dict[str, Any]]:
    return [event.detail for event in AuditEvent.objects.filter(event=f"configuration:{kind}").order_by("id")]


def without_approval() -> dict[str, Any]:
    from django.conf import settings

    return {**settings.GATEHOUSE, "PLANS_NEED_APPROVAL": False}
