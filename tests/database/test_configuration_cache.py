"""No request decides by an outdated configuration, however it was changed."""

import subprocess
import sys

import pytest
from django.db import DatabaseError, connection, transaction

from authz import audit, keys
from authz.database import configuration_cache
from authz.models import AuditEvent, Client, Generation, ProtectedResource, Rule, Scope, SigningKey
from tests.support import world
from tests.support.world import NOTES, SECRET, World


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def suspend() -> None:
    row = world.client("nightly-report")
    row.status = "suspended"
    row.save()


def elsewhere(statement: str) -> None:
    """The statement, at the database's prompt in another process."""
    values = connection.settings_dict
    if connection.vendor == "postgresql":
        script = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(sys.argv[2])"
        address = f"postgresql://{values['USER']}@{values['HOST']}:{values['PORT']}/{values['NAME']}"
    else:
        script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"
        address = str(values["NAME"])
    subprocess.run([sys.executable, "-c", script, address, statement], check=True, timeout=30)


CHANGES = {
    "a rule by the ORM": lambda: Rule.objects.get(name="Agents read notes").delete(),
    "a rule by a bulk update": lambda: Rule.objects.filter(effect="allow").update(effect="deny"),
    "a rule by SQL": lambda: sql("DELETE FROM authz_rule"),
    "a client by the ORM": suspend,
    "a client by a bulk update": lambda: Client.objects.update(status="suspended"),
    "a client by SQL": lambda: sql("UPDATE authz_client SET status = 'suspended'"),
    "a resource by a bulk update": lambda: ProtectedResource.objects.update(is_active=False),
    "a resource by SQL": lambda: sql("UPDATE authz_protectedresource SET is_default = (1 = 0)"),
    "a scope by the ORM": lambda: Scope.objects.get(name="mcp:read").delete(),
    "a key by SQL": lambda: sql("DELETE FROM authz_signingkey"),
    "another process": lambda: elsewhere("UPDATE authz_client SET status = 'suspended'"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_next_request_sees_it(committed_gatehouse: World, change: str) -> None:
    for _ in range(2):
        assert committed_gatehouse.machine_token()
    CHANGES[change]()
    refused = committed_gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials")
    assert refused.status_code >= 400


def test_a_change_of_who_may_introspect_is_seen(committed_gatehouse: World) -> None:
    token = committed_gatehouse.machine_token()["access_token"]
    assert committed_gatehouse.introspect(token)["active"] is True
    sql("DELETE FROM authz_protectedresource_introspection_clients")
    assert committed_gatehouse.introspect(token) == {"active": False}


def test_a_change_that_is_rolled_back_is_none(committed_gatehouse: World) -> None:
    committed_gatehouse.machine_token()
    before = Generation.objects.get().value
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Rule.objects.all().delete()
        raise ZeroDivisionError
    assert Generation.objects.get().value == before
    assert committed_gatehouse.machine_token()


def test_what_does_not_change_is_not_read_again(gatehouse: World) -> None:
    gatehouse.machine_token()
    loads: list[int] = []
    for _ in range(3):
        configuration_cache.begin()
        configuration_cache.cached("test", lambda: loads.append(1))
    assert loads == [1]


def test_without_a_generation_nothing_is_remembered(gatehouse: World) -> None:
    Generation.objects.all().delete()
    loads: list[int] = []
    for _ in range(3):
        configuration_cache.begin()
        configuration_cache.cached("test", lambda: loads.append(1))
    assert loads == [1, 1, 1]
    assert gatehouse.machine_token()


def test_lookups_of_unknown_clients_are_not_cached(gatehouse: World) -> None:
    gatehouse.machine_token()
    before = len(configuration_cache._current.values)
    for number in range(20):
        gatehouse.token(basic=(f"stranger-{number}", SECRET), grant_type="client_credentials")
    assert len(configuration_cache._current.values) == before


@pytest.mark.parametrize("model", [Client, ProtectedResource, Scope, Rule, SigningKey])
def test_every_configuration_table_moves_the_generation(committed_gatehouse: World, model: type) -> None:
    seen = {Generation.objects.get().value}
    table = model._meta.db_table  # type: ignore[attr-defined]
    key = model._meta.pk.column  # type: ignore[attr-defined]
    sql(f"UPDATE {table} SET {key} = {key}")  # noqa: S608  names of our own
    seen.add(Generation.objects.get().value)
    assert len(seen) == 2


@pytest.mark.django_db(transaction=True)
class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE authz_auditevent SET event = 'nothing happened'",
            "UPDATE authz_auditevent SET detail = detail",
            "DELETE FROM authz_auditevent",
            *(["TRUNCATE authz_auditevent"] if connection.vendor == "postgresql" else []),
            *(
                [
                    "INSERT OR REPLACE INTO authz_auditevent SELECT id, time, 'another', reason, client_id, subject,"
                    " resource, authorization, address, request_id, detail FROM authz_auditevent"
                ]
                if connection.vendor == "sqlite"
                else []
            ),
        ],
    )
    def test_the_database_itself_refuses(self, statement: str) -> None:
        audit.record(audit.Event.SIGNED_IN)
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            sql(statement)
        assert AuditEvent.objects.get().event == "person:session:started"

    def test_the_orm_is_refused_too(self) -> None:
        audit.record(audit.Event.SIGNED_IN)
        for attempt in (
            lambda: AuditEvent.objects.all().delete(),
            lambda: AuditEvent.objects.update(client_id="other"),
            lambda: AuditEvent.objects.get().save(),
        ):
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                attempt()
        assert AuditEvent.objects.count() == 1

    def test_writing_goes_on(self) -> None:
        for _ in range(3):
            audit.record(audit.Event.SIGNED_IN)
        assert AuditEvent.objects.count() == 3


def test_a_key_that_another_process_made_signs_the_next_token(committed_gatehouse: World) -> None:
    from datetime import UTC, datetime

    import jwt

    before = jwt.get_unverified_header(committed_gatehouse.machine_token(resource=NOTES)["access_token"])["kid"]
    made = keys.rotate("RS256", now=datetime.now(UTC), at_once=True).kid
    after = jwt.get_unverified_header(committed_gatehouse.machine_token(resource=NOTES)["access_token"])["kid"]
    assert before != after == made
