"""Backup and restore, on the database that the tests run on: what comes back works, and nothing comes back to life."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from authz import keys
from authz.authorizations import cut_off, removal
from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from authz.models import AuditEvent, Authorization, Consent, Generation
from authz.operations import backup
from tests.support import world
from tests.support.world import NOTES, World


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def copy(tmp_path: Path) -> str:
    return str(tmp_path / "copy")


def test_what_comes_back_works(committed_gatehouse: World, copy: str) -> None:
    gatehouse = committed_gatehouse
    tokens = gatehouse.signed_in_tokens()
    kids = {key.kid for key in keys.cached()}
    manage("backup", copy)
    with unit_of_work():
        removal.remove(world.client("desktop-app"))
    manage("keys", "rotate", "RS256", "--now")
    generation = Generation.objects.get().value
    said = manage("restore", copy, "--replace", "--as-is")
    assert "Everything is as it was then" in said
    assert Generation.objects.get().value != generation
    assert gatehouse.introspect(tokens["access_token"])["active"]
    refreshed = gatehouse.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200
    assert gatehouse.introspect(json.loads(refreshed.content)["access_token"])["active"]
    configuration_cache.forget()
    assert {key.kid for key in keys.cached()} == kids
    call_command("audit", "verify", stdout=StringIO())  # raises where something is wrong
    assert AuditEvent.objects.get(event="operation:backup:restored").detail["as_is"]


def test_nothing_that_was_taken_back_since_comes_back_to_life(committed_gatehouse: World, copy: str) -> None:
    """A laptop is stolen after the backup, and its grants are revoked. Restoring must not give them back."""
    gatehouse = committed_gatehouse
    stolen = gatehouse.signed_in_tokens()
    machine = gatehouse.machine_token()
    code = gatehouse.authorize()["code"]
    manage("backup", copy)
    found = cut_off.target("person", "bob")
    cut_off.cut_off(found, kind="person", identifier="bob", reason="stolen", by="test", now=datetime.now(UTC))
    said = manage("restore", copy, "--replace")
    assert "authorizations, all consents and sign-ins ended" in said
    assert gatehouse.refresh(stolen["refresh_token"]).status_code == 400
    assert not gatehouse.introspect(stolen["access_token"])["active"]
    assert not gatehouse.introspect(machine["access_token"])["active"]
    assert gatehouse.redeem(code).status_code == 400
    assert not Authorization.objects.filter(revoked=None).exists()
    assert not Consent.objects.exists()
    assert gatehouse.browser.get("/account/").status_code == 302  # the browser is signed out, too
    # Machines that the rules allow go on; people sign in and consent anew.
    assert gatehouse.machine_token()
    assert gatehouse.signed_in_tokens(resource=NOTES)["access_token"]


def test_it_replaces_only_if_told_to(committed_gatehouse: World, copy: str) -> None:
    manage("backup", copy)
    with pytest.raises(CommandError, match="--replace"):
        manage("restore", copy)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no such pages")
def test_a_database_of_longer_pages_comes_back_too(committed_gatehouse: World, copy: str) -> None:
    """Such as was made before this server's were shorter."""
    manage("backup", copy)
    with closing(sqlite3.connect(copy)) as longer:
        assert longer.execute("PRAGMA page_size").fetchone() == (2048,)
        longer.execute("PRAGMA page_size = 8192")
        longer.execute("VACUUM")
    world.client("desktop-app").delete()
    with pytest.raises(CommandError, match="carries no MAC"):
        manage("restore", copy, "--replace")
    manage("restore", copy, "--replace", "--unsigned")
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cursor.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert committed_gatehouse.signed_in_tokens()["access_token"]


def test_a_backup_is_never_overwritten_and_only_its_owner_reads_it(committed_gatehouse: World, copy: str) -> None:
    manage("backup", copy)
    assert Path(copy).stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="never overwritten"):
        manage("backup", copy)


@pytest.mark.parametrize("content", [b"", b"something else entirely, and not a database at all" * 50, None])
def test_what_is_no_backup_changes_nothing(committed_gatehouse: World, copy: str, content: bytes | None) -> None:
    if content is not None:
        Path(copy).write_bytes(content)
    before = Generation.objects.get().value
    with pytest.raises(CommandError):
        manage("restore", copy, "--replace")
    assert Generation.objects.get().value == before
    assert committed_gatehouse.machine_token()


def test_a_backup_that_fails_leaves_nothing_behind(
    committed_gatehouse: World, copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise backup.BackupError("the disk is full")

    monkeypatch.setattr(backup, "_write_sqlite", full)
    monkeypatch.setattr(backup, "_write_postgresql", full)
    with pytest.raises(CommandError, match="the disk is full"):
        manage("backup", copy)
    assert list(Path(copy).parent.iterdir()) == []
