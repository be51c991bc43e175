from collections.abc import Callable

import pytest
from django.test import Client as Browser

from authz.models import User
from tests.support.world import World

Page = Callable[[str], Browser]


@pytest.fixture
def signed_in(gatehouse: World) -> Page:
    """A browser in which a person of this role is signed in: Alice administers, Bob approves, Charlie has no role."""
    people = {"administrator": "alice", "approver": "bob", "none": "charlie", "auditor": "dana", "developer": "erin"}

    def browser(role: str) -> Browser:
        user, _ = User.objects.get_or_create(username=people[role])
        user.role = role
        user.save()
        found = Browser()
        found.force_login(user, backend="authz.sign_in.password_backend.PasswordBackend")
        return found

    return browser
