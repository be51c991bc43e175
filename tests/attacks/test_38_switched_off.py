"""Attack 38: a person is deactivated and activated again, and an old session still works."""

from collections.abc import Callable

import pytest
from django.test import Client as Browser

from authz.configuration import apply
from authz.models import User
from tests.support.world import World

BACKEND = "authz.sign_in.password_backend.PasswordBackend"


def by_row(active: bool) -> None:
    person = User.objects.get(username="alice")
    person.is_active = active
    person.save()


def by_field(active: bool) -> None:
    person = User.objects.get(username="alice")
    person.is_active = active
    person.save(update_fields=["is_active"])


def by_file(active: bool) -> None:
    apply(f"users: [{{username: alice, active: {str(active).lower()}}}]")


@pytest.mark.parametrize("switch", [by_row, by_field, by_file])
@pytest.mark.parametrize("browsers", [1, 2])
def test_no_session_outlives_being_switched_off(
    gatehouse: World, switch: Callable[[bool], None], browsers: int
) -> None:
    signed_in = [Browser() for _ in range(browsers)]
    for browser in signed_in:
        browser.force_login(User.objects.get(username="alice"), backend=BACKEND)
        assert browser.get("/account/").status_code == 200
    switch(False)
    assert {browser.get("/account/").status_code for browser in signed_in} == {302}
    switch(True)
    assert {browser.get("/account/").status_code for browser in signed_in} == {302}
