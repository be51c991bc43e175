"""A session's key stands in the browser's cookie and nowhere in the database; its digest finds the row."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from authz.authorizations import cut_off
from authz.configuration import apply
from authz.models import BrowserSession
from authz.sign_in.browser_sessions import SessionStore
from authz.sign_in.session import session_digest
from tests.support import world
from tests.support.races import at_once
from tests.support.world import World


def key_of(browser: Browser) -> str:
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def cells() -> str:
    """Everything that the database holds, as text."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608  our own tables
            found += [bytes(cell) if isinstance(cell, memoryview) else cell for row in cursor for cell in row]
    return "\n".join(map(str, found))


def test_no_table_holds_the_key_of_a_session(gatehouse: World) -> None:
    gatehouse.signed_in_tokens(scope="mcp:read openid")
    browser = gatehouse.browser
    key, stored = key_of(browser), cells()

    assert len(key) == 32
    assert session_digest(key) in stored
    assert key not in stored
    assert browser.get("/account/").status_code == 200


@pytest.mark.parametrize("told", ["digest", "digest cut to a key's length", "another key", "empty", "upper case"])
@pytest.mark.django_db
def test_what_the_database_tells_opens_no_session(gatehouse: World, told: str) -> None:
    gatehouse.sign_in("bob")
    key = key_of(gatehouse.browser)
    cookie = {
        "digest": session_digest(key),
        "digest cut to a key's length": session_digest(key)[:32],
        "another key": "a" * 32,
        "empty": "",
        "upper case": key.upper(),
    }[told]
    thief = Browser()
    thief.cookies[settings.SESSION_COOKIE_NAME] = cookie

    assert thief.get("/account/").status_code == 302


def test_a_session_is_kept_changed_moved_and_removed(gatehouse: World) -> None:
    bob = world.person("bob")
    store = SessionStore()
    store[SESSION_KEY] = str(bob.pk)
    store.save()
    first = store.session_key
    assert first is not None
    assert BrowserSession.objects.get(digest=session_digest(first)).user == bob

    again = SessionStore(first)
    again["seen"] = 1
    again.save()
    again.cycle_key()
    assert again.session_key != first
    assert SessionStore(again.session_key)["seen"] == 1
    assert not SessionStore().exists(first)

    BrowserSession.objects.update(expire_date=datetime.now(UTC) - timedelta(seconds=1))
    assert SessionStore(again.session_key).load() == {}
    again.delete()
    assert not BrowserSession.objects.exists()


@pytest.mark.parametrize("kind", ["person", "session"])
def test_a_preview_finds_sessions_without_reading_them(
    gatehouse: World, monkeypatch: pytest.MonkeyPatch, kind: str, django_assert_max_num_queries: Any
) -> None:
    gatehouse.sign_in("bob")
    gatehouse.browser = Browser()
    gatehouse.sign_in("charlie")
    mine = BrowserSession.objects.get(user__username="bob").digest

    def never(*_: object) -> None:
        raise AssertionError("a preview read a session")

    monkeypatch.setattr(SessionBase, "decode", never)
    with django_assert_max_num_queries(14):
        found = cut_off.target(kind, "bob" if kind == "person" else mine)
        assert cut_off.preview(found, datetime.now(UTC)).counts["sign-ins"] == 1
    cut_off.cut_off(found, kind=kind, identifier="bob", reason="", by="alice", now=datetime.now(UTC))

    assert list(BrowserSession.objects.values_list("user__username", flat=True)) == ["charlie"]


@pytest.mark.django_db(transaction=True)
def test_sessions_of_the_earlier_table_go_on(committed_gatehouse: World) -> None:
    migration = import_module("authz.migrations.0010_browser_sessions")
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    store, bob = SessionStore(), world.person("bob")
    data = {"signed in": {SESSION_KEY: str(bob.pk)}, "anonymous": {"a": 1}, "gone": {SESSION_KEY: "999999999"}}
    with connection.schema_editor() as editor:
        editor.execute(
            "CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, session_data text NOT NULL,"
            f" expire_date {'timestamptz' if connection.vendor == 'postgresql' else 'datetime'} NOT NULL)"
        )
    try:
        with connection.cursor() as cursor:
            for key, held in data.items():
                moment = connection.ops.adapt_datetimefield_value(ends)
                cursor.execute("INSERT INTO django_session VALUES (%s, %s, %s)", [key, store.encode(held), moment])
        with connection.schema_editor() as editor:
            migration.take_over(apps, editor)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM django_session")
            assert cursor.fetchone() == (0,)
    finally:
        with connection.schema_editor() as editor:
            editor.execute("DROP TABLE django_session")

    rows = {row.digest: row for row in BrowserSession.objects.all()}
    assert rows.keys() == {session_digest(key) for key in data}
    assert {row.expire_date for row in rows.values()} == {ends}
    assert {row.user_id for row in rows.values()} == {bob.pk, None}
    assert SessionStore("signed in").model is BrowserSession


def test_a_disabled_persons_session_is_not_saved(gatehouse: World) -> None:
    """Attack: a sign-in that was under way when the person was disabled lives again when they are allowed back."""
    gatehouse.sign_in("bob")
    under_way = SessionStore(key_of(gatehouse.browser))
    assert under_way[SESSION_KEY]
    apply("users: [{username: bob, active: false}]")
    with pytest.raises(UpdateError):
        under_way.save()
    apply("users: [{username: bob, active: true}]")
    assert gatehouse.browser.get("/account/").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_person_who_is_disabled_while_signing_in_has_no_session(committed_gatehouse: World) -> None:
    def sign_in() -> None:
        Browser().post(reverse("account_login"), {"login": "bob", "password": "bob-password"})

    at_once([sign_in, lambda: apply("users: [{username: bob, active: false}]"), sign_in])
    assert not BrowserSession.objects.filter(user__username="bob").exists()
