"""A session ends by the hours since the sign-in, and for people with a role by the minutes since the last page."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import SESSION_KEY
from django.urls import reverse

from authz.models import BrowserSession, User
from authz.sign_in import session_limits
from tests.support.races import at_once
from tests.support.world import World, person

HOUR = 3600


@pytest.mark.parametrize(
    ("age", "has_role", "idle_minutes", "left"),
    [
        (0, False, 60, 12 * HOUR),
        (0, True, 60, HOUR),
        (0, True, 0, 12 * HOUR),
        (11.5 * HOUR, True, 60, HOUR / 2),
        (13 * HOUR, False, 60, -HOUR),
        (13 * HOUR, True, 0, -HOUR),
    ],
)
def test_which_limit_comes_first(settings: Any, age: float, has_role: bool, idle_minutes: int, left: float) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "SESSION_IDLE_MINUTES": idle_minutes}
    assert session_limits.end(1e9 - age, 1e9, has_role=has_role) == 1e9 + left


def left(username: str) -> float:
    """Minutes until the person's one session ends."""
    row = BrowserSession.objects.get(user__username=username)
    return (row.expire_date - datetime.now(UTC)).total_seconds() / 60


def put(username: str, **columns: Any) -> None:
    BrowserSession.objects.filter(user__username=username).update(**columns)


def test_pages_keep_a_session_and_never_beyond_its_hours(gatehouse: World) -> None:
    for username, minutes in (("alice", 60), ("bob", 12 * 60)):
        gatehouse.browser.logout()
        gatehouse.sign_in(username)
        gatehouse.browser.get("/account/")
        assert minutes - 1 < left(username) <= minutes
    gatehouse.browser.logout()
    gatehouse.sign_in("alice")
    put("alice", expire_date=datetime.now(UTC) + timedelta(minutes=5))
    gatehouse.browser.get("/account/")
    assert left("alice") > 59

    data = gatehouse.browser.session
    data["signed in from"]["at"] = time.time() - 11.75 * HOUR
    data.save()
    assert gatehouse.browser.get("/account/").status_code == 200
    assert 14 < left("alice") <= 15, "the hours since the sign-in are nearly over, whatever saves the session"


def test_an_idle_session_is_over(gatehouse: World) -> None:
    gatehouse.sign_in("alice")
    put("alice", expire_date=datetime.now(UTC) - timedelta(seconds=1))
    assert "/login/" in gatehouse.browser.get(reverse("admin:index"))["Location"]
    assert SESSION_KEY not in gatehouse.browser.session


def test_lower_limits_hold_for_sessions_that_are_there(gatehouse: World, settings: Any) -> None:
    gatehouse.sign_in("bob")
    data = gatehouse.browser.session
    data["signed in from"]["at"] = time.time() - 2 * HOUR
    data.save()
    settings.GATEHOUSE = {**django_settings.GATEHOUSE, "SESSION_HOURS": 1}
    assert gatehouse.browser.get("/account/").status_code == 302
    assert not BrowserSession.objects.filter(user__username="bob").exists()


def test_a_role_that_comes_later_brings_its_limit(gatehouse: World) -> None:
    gatehouse.sign_in("bob")
    User.objects.filter(username="bob").update(role="auditor", is_staff=True)
    gatehouse.browser.get("/account/")
    assert left("bob") <= 60


@pytest.mark.django_db(transaction=True)
def test_a_page_does_not_bring_back_a_session_that_was_ended_meanwhile(gatehouse: World) -> None:
    """Attack 38: what a thief's open tab asks for while the person ends the thief's sign-in."""
    gatehouse.sign_in("alice")
    store: Any = gatehouse.browser.session
    store.load()
    put("alice", expire_date=datetime.now(UTC) + timedelta(minutes=5))
    store.load()
    alice = person("alice")
    at_once([lambda: store.keep(alice, time.time()), lambda: BrowserSession.objects.filter(user=alice).delete()])
    store.keep(alice, time.time() + 120)
    assert not BrowserSession.objects.filter(user=alice).exists()
