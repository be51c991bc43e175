"""A page that a person may not open says which role may, and who can help."""

import pytest
from django.test import Client as Browser

from authz.models import User
from authz.sign_in.contacts import permission_of
from tests.support.world import World


def refused(username: str, role: str, path: str) -> str:
    user = User.objects.get(username=username)
    user.role = role
    user.save()
    browser = Browser()
    browser.force_login(user, backend="authz.sign_in.password_backend.PasswordBackend")
    answer = browser.get(path)
    assert answer.status_code == 403
    return answer.content.decode()


@pytest.mark.parametrize(("role", "path", "needed"), [
    ("developer", "/console/authz/rule/", ["auditor", "approver", "administrator"]),
    ("developer", "/console/story/", ["auditor", "approver", "administrator"]),
    ("auditor", "/console/authz/client/add/", ["developer", "administrator"]),
    ("approver", "/console/authz/rule/add/", ["administrator"]),
])  # fmt: skip
def test_it_names_the_roles_that_may(gatehouse: World, role: str, path: str, needed: list[str]) -> None:
    page = refused("bob", role, path)
    assert [name for name in User.Role.values if f"<strong>{name}</strong>" in page] == needed
    assert "Ask <bdi>alice</bdi>" in page


def test_it_names_three_administrators_who_are_there(gatehouse: World) -> None:
    for name in ("ann", "ben", "cem", "dora", "left"):
        User.objects.create(username=name, role="administrator", is_active=name != "ann")
    page = refused("bob", "developer", "/console/authz/rule/")
    assert [name for name in ("alice", "ann", "ben", "cem", "dora") if f"<bdi>{name}</bdi>" in page] == [
        "alice", "ben", "cem",
    ]  # fmt: skip


@pytest.mark.parametrize(("message", "url_name", "permission"), [
    ("authz.view_simulator", "simulator", "authz.view_simulator"),
    ("", "authz_rule_changelist", "authz.view_rule"),
    ("", "authz_rule_add", "authz.add_rule"),
    ("You cannot approve your own agent.", "authz_client_switch", ""),
    ("", "who_reaches", ""),
    ("", "", ""),
])  # fmt: skip
def test_a_permission_that_is_not_known_is_not_guessed(message: str, url_name: str, permission: str) -> None:
    assert permission_of(message, url_name) == permission
