"""`manage.py doctor`: each finding is found by breaking what it is about, and says what to do."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from authz import audit, keys, registry
from authz.models import AuditArchive, AuditDestination, PeriodicTask, SigningKey
from authz.operations import doctor, periodic
from authz.operations.doctor import audits, databases, examinations, services
from authz.outbound import Cause, OutboundError, Response
from authz.protocol import jwks
from demo.processes import free_port
from tests.xaa.company import IDP, IDP_JWKS, Idp
from xaa import doctor as of_xaa
from xaa.models import TrustedIssuer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def well(db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without a finding, but for what `check --deploy` says of a test's settings."""
    keys.ensure(datetime.now(UTC))
    tasks = {"works": SimpleNamespace(EVERY=60.0, run=lambda: None)}
    monkeypatch.setattr(registry, "periodic_tasks", lambda: tasks)
    periodic.run_due()


def found(about: str) -> list[doctor.Finding]:
    return doctor.examine()[about]


def only(about: str) -> doctor.Finding:
    findings = found(about)
    assert len(findings) == 1, findings
    assert findings[0].do
    return findings[0]


def test_a_healthy_installation_has_no_errors() -> None:
    findings = [finding for each in doctor.examine().values() for finding in each]
    assert [finding for finding in findings if finding.about not in {"configuration", "disk"}] == []


def test_a_mistake_in_the_configuration(settings: Settings) -> None:
    settings.SECRET_KEY_FALLBACKS = ["too short"]
    assert any("authz.E009" in finding.says for finding in found("configuration"))


def test_a_missing_migration() -> None:
    [(_, last)] = MigrationLoader(connection).graph.leaf_nodes("xaa")
    MigrationRecorder(connection).record_unapplied("xaa", last)
    finding = only("database")
    assert (finding.level, f"xaa {last}" in finding.says) == ("error", True)
    assert "migrate" in finding.do


def test_a_dropped_trigger() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP TRIGGER authz_rule_generation ON authz_rule")
            name = "authz_rule_generation"
        else:
            name = "authz_rule_generation_update"
            cursor.execute(f"DROP TRIGGER {name}")
    assert name in only("triggers").says


def test_a_trigger_that_was_made_to_do_nothing() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ALTER TABLE authz_rule DISABLE TRIGGER authz_rule_generation")
            name = "authz_rule_generation"
        else:
            name = "authz_rule_generation_update"
            cursor.execute(f"DROP TRIGGER {name}")
            cursor.execute(f"CREATE TRIGGER {name} AFTER UPDATE ON authz_rule BEGIN SELECT 1; END")
    assert name in only("triggers").says


# Each does nothing under the name of what did something; (what PostgreSQL runs, the trigger that is named).
NOTHING = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN COALESCE(NEW, OLD); END $$"
TAMPERED = [
    *(
        (f"CREATE OR REPLACE FUNCTION {function}() {NOTHING}", trigger)
        for function, trigger in (
            ("authz_move_generation", "authz_rule_generation"),
            ("authz_append_only", "authz_auditevent_append_only"),
            ("authz_auditevent_append_only_delete", "authz_auditevent_append_only_delete"),
            ("authz_auditarchive_sealed_only", "authz_auditarchive_sealed_only"),
            ("authz_rule_history_update", "authz_rule_history_update"),
            ("authz_authorization_kept_delete", "authz_authorization_kept_delete"),
            ("authz_authorization_kept_update", "authz_authorization_kept_update"),
            ("authz_client_kept_delete", "authz_client_kept_delete"),
        )
    ),
    ("ALTER TABLE authz_auditevent DISABLE TRIGGER authz_auditevent_append_only", "authz_auditevent_append_only"),
    (
        "DROP TRIGGER authz_rule_history_update ON authz_rule; CREATE TRIGGER authz_rule_history_update AFTER UPDATE"
        " ON authz_rule FOR EACH ROW WHEN (false) EXECUTE FUNCTION authz_rule_history_update()",
        "authz_rule_history_update",
    ),
    (
        "DROP TRIGGER authz_auditevent_append_only ON authz_auditevent; CREATE TRIGGER authz_auditevent_append_only"
        " BEFORE TRUNCATE ON authz_auditevent FOR EACH STATEMENT EXECUTE FUNCTION authz_append_only()",
        "authz_auditevent_append_only",
    ),
]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps the statement itself")
@pytest.mark.parametrize(("statement", "trigger"), TAMPERED)
def test_a_trigger_of_postgresql_that_does_something_else(statement: str, trigger: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
    assert trigger in only("triggers").says


def test_a_disk_that_is_almost_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "disk_usage", lambda _: SimpleNamespace(free=1024))
    assert [finding.level for finding in found("disk")] == (["warning"] if connection.vendor == "sqlite" else [])


@pytest.mark.parametrize(("apart", "level"), [(4, None), (10, "warning"), (-40, "error")])
def test_a_clock_that_is_off(apart: float, level: str | None) -> None:
    levels = [finding.level for finding in doctor.skew("a server", 1000.0 + apart, 1000.0, about="clock")]
    assert levels == ([level] if level else [])
    if connection.vendor == "postgresql":
        assert [finding.level for finding in doctor.clock(lambda: time.time() + apart)] == levels


def test_a_cache_that_is_away_although_this_process_remembers_for_itself(settings: Settings) -> None:
    settings.CACHE_URL = f"redis://127.0.0.1:{free_port()}/0"
    options = {"BACKEND": "authz.limits.shared_cache.SharedCache", "LOCATION": settings.CACHE_URL}
    settings.CACHES = {"default": options}
    cache.set("known", "here")
    assert cache.get("known") == "here"
    finding = only("cache")
    assert (finding.level, "does not answer" in finding.says) == ("error", True)


def test_a_database_that_does_not_answer_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", away)
    said = doctor.examine()
    assert [finding.level for finding in said["database"]] == ["error"]
    assert list(said) == ["database"]


class TestAudit:
    @pytest.fixture(autouse=True)
    def folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        folder = tmp_path / "audit"
        monkeypatch.setattr(audits, "conf", SimpleNamespace(audit_directory=folder, audit_retention_days=0))
        return folder

    def test_one_that_is_not_sealed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        audit.record(audit.Event.TOKEN_ISSUED)
        assert found("audit") == []
        monkeypatch.setattr(audits, "UNSEALED", -1.0)
        assert "wait for their seal" in only("audit").says

    def test_a_destination_that_takes_nothing(self) -> None:
        AuditDestination.objects.create(name="siem", to="https://siem.example/", failures=7, failure="it answered 500")
        AuditDestination.objects.create(name="old", to="https://old.example/", failures=7, enabled=False)
        finding = only("audit")
        assert "siem (https://siem.example/) has refused 7 deliveries in a row: it answered 500" in finding.says

    def test_a_directory_that_is_not_writable(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        AuditDestination.objects.create(name="file", to="file:audit.jsonl")
        assert found("audit") == []
        monkeypatch.setattr("os.access", lambda *_: False)
        assert str(folder) in only("audit").do

    def test_a_directory_that_is_almost_full(self, monkeypatch: pytest.MonkeyPatch) -> None:
        AuditDestination.objects.create(name="file", to="file:audit.jsonl")
        monkeypatch.setattr(audits, "disk_usage", lambda _: SimpleNamespace(free=1024))
        assert only("audit").level == "warning"

    def test_an_archive_that_is_not_there(self) -> None:
        of_table = " ON authz_auditarchive" if connection.vendor == "postgresql" else ""
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER authz_auditarchive_sealed_only{of_table}")
        AuditArchive.objects.create(
            start=0, size=7, last_id=7, file="audit-0-7.jsonl.gz", frontier=b"", archived=datetime.now(UTC)
        )
        finding = only("audit")
        assert (finding.level, "audit-0-7.jsonl.gz" in finding.says) == ("error", True)


class TestSigningKeys:
    def test_none_for_an_algorithm(self) -> None:
        SigningKey.objects.filter(alg="ES256").delete()
        assert "ES256" in only("signing keys").says

    def test_one_that_ends_without_a_successor(self) -> None:
        SigningKey.objects.filter(alg="EdDSA").update(retired=datetime.now(UTC) + timedelta(hours=5))
        assert "no other follows" in only("signing keys").says

    def test_one_that_is_old(self) -> None:
        SigningKey.objects.filter(alg="RS256").update(signs_from=datetime.now(UTC) - timedelta(days=400))
        finding = only("signing keys")
        assert (finding.level, finding.do) == (
            "warning",
            "Run `manage.py keys rotate RS256`; verifiers need no notice.",
        )

    def test_another_secret_key(self, settings: Settings) -> None:
        settings.SECRET_KEY = "another secret key that is long enough for everything"
        assert "opens" in only("signing keys").says
        assert "3 stored secrets" in only("secrets").says


def test_secrets_that_are_not_moved_yet(settings: Settings) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the new secret key that is long enough for everything"
    finding = only("secrets")
    assert (finding.level, "3 stored" in finding.says, "keys reencrypt" in finding.do) == ("warning", True, True)


class TestPeriodicTasks:
    def test_one_that_never_ran(self) -> None:
        PeriodicTask.objects.all().delete()
        assert "works never ran" in only("periodic tasks").says

    def test_one_that_is_late(self) -> None:
        PeriodicTask.objects.update(due=time.time() - 3600)
        assert "was due 60 minutes ago" in only("periodic tasks").says

    def test_one_that_fails(self) -> None:
        PeriodicTask.objects.update(failures=3, failure="RuntimeError: out of paper")
        assert "out of paper" in only("periodic tasks").says


def test_a_mail_server_that_is_not_there(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"

    def refuse() -> Any:
        raise ConnectionRefusedError("no one listens")

    monkeypatch.setattr(services, "get_connection", lambda: SimpleNamespace(open=refuse))
    assert "no one listens" in only("mail").says


class TestTrustedIssuers:
    @pytest.fixture(autouse=True)
    def _trusted(self) -> None:
        TrustedIssuer.objects.create(issuer=IDP, name="Corporate IdP", jwks_uri=IDP_JWKS, accepts=["id-jag"])

    def answers(self, monkeypatch: pytest.MonkeyPatch, body: str, date: float | None = None) -> None:
        headers = {"date": formatdate(date, usegmt=True)} if date else {}
        answer = Response(status=200, headers=headers, body=body.encode(), address="192.0.2.1", elapsed=0.0)
        monkeypatch.setattr(of_xaa, "fetch", lambda *_: answer)

    def jwks(self) -> str:
        idp = Idp()
        return json.dumps({"keys": [jwks.public_jwk(idp.key.public_key(), kid=idp.kid, alg="ES256")]})

    def test_one_that_is_well(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers(monkeypatch, self.jwks(), time.time())
        assert found("trusted issuers") == []

    def test_one_that_cannot_be_reached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> Response:
            raise OutboundError(Cause.CONNECT)

        monkeypatch.setattr(of_xaa, "fetch", refuse)
        assert Cause.CONNECT.sentence in only("trusted issuers").says

    @pytest.mark.parametrize("body", ["<html>", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'])
    def test_one_whose_keys_are_not_keys(self, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
        self.answers(monkeypatch, body)
        assert only("trusted issuers").level == "error"

    def test_one_whose_clock_is_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers(monkeypatch, self.jwks(), time.time() - 120)
        assert "behind ours" in only("trusted issuers").says

    def test_one_that_is_switched_off_is_left_alone(self) -> None:
        TrustedIssuer.objects.update(enabled=False)
        assert found("trusted issuers") == []


def test_an_examination_that_breaks_is_a_finding_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> Any:
        raise RuntimeError("the stethoscope is gone")
        yield

    monkeypatch.setattr(examinations, "database", breaks)
    assert "the stethoscope is gone" in only("database").says
    assert found("secrets") == []


def test_the_command_tells_people_and_programs_and_ends_with_1_for_an_error(capsys: Any) -> None:
    SigningKey.objects.filter(alg="ES256").delete()
    out = StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("doctor", stdout=out)
    assert "No ES256 key signs." in out.getvalue()
    assert "→ Run `manage.py keys ensure`." in out.getvalue()
    out = StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("doctor", "--json", stdout=out)
    assert json.loads(out.getvalue())["signing keys"][0]["level"] == "error"


def test_the_command_ends_with_0_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "examine", lambda profile="": {"disk": [doctor.Finding("warning", "disk", "full", "make room")]}
    )
    out = StringIO()
    call_command("doctor", stdout=out)
    assert "warning" in out.getvalue()
