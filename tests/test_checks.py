"""System checks: each id is raised by what it is for, and a good installation raises none."""

from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connection
from pytest_django import Settings

from authz import keys
from authz.models import SigningKey

pytestmark = pytest.mark.any_database


def raised(**options: Any) -> set[str]:
    messages = run_checks(include_deployment_checks=True, databases=["default"], **options)
    return {str(message.id) for message in messages if str(message.id).startswith("authz.")}


@pytest.fixture
def good(db: None, settings: Settings) -> Settings:
    keys.ensure(datetime.now(UTC))
    settings.DEBUG = False
    import_module(settings.ROOT_URLCONF)  # before a test plugs in what cannot be loaded: addresses are read once
    settings.SECRET_KEY = settings.SECRET_KEY or "x" * 50
    return settings


def gatehouse(settings: Settings, **changes: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | changes


def test_a_good_installation_raises_none(good: Settings) -> None:
    assert raised() <= {"authz.W001"}


@pytest.mark.parametrize(
    "issuer",
    ["", "auth.example.com", "ftp://auth.example.com", "https://", "https://a.example/?x=1", "https://a.example/#x",
     "https://user@a.example"],
)  # fmt: skip
def test_e001_an_invalid_issuer(good: Settings, issuer: str) -> None:
    gatehouse(good, ISSUER=issuer)
    assert "authz.E001" in raised()


@pytest.mark.parametrize("issuer", ["http://auth.example.com", "http://10.0.0.1/o", "http://127.0.0.1.evil.example"])
def test_e002_an_http_issuer_off_loopback(good: Settings, issuer: str) -> None:
    gatehouse(good, ISSUER=issuer)
    assert "authz.E002" in raised()


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:8000/o", "http://localhost", "http://[::1]:8000", "https://a.example"]
)
def test_an_issuer_on_loopback_or_over_https_is_good(good: Settings, issuer: str) -> None:
    gatehouse(good, ISSUER=issuer)
    assert not raised() & {"authz.E001", "authz.E002"}


def test_e003_atomic_requests(good: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(good.DATABASES["default"], "ATOMIC_REQUESTS", True)
    assert "authz.E003" in raised()


@pytest.mark.parametrize(
    ("name", "check_id"),
    [
        ("GRANTS", "authz.E004"),
        ("CLIENT_AUTH_METHODS", "authz.E005"),
        ("CLIENT_RESOLVERS", "authz.E006"),
        ("ENDPOINTS", "authz.E007"),
        ("LIVENESS_CHECKS", "authz.E008"),
    ],
)
@pytest.mark.parametrize("module", ["authz.no_such_module", "json"])
def test_e004_to_e008_a_part_that_cannot_be_loaded_or_is_none(
    good: Settings, name: str, check_id: str, module: str
) -> None:
    gatehouse(good, **{name: [module]})
    assert check_id in raised()


def test_e009_a_fallback_that_a_comma_cut_in_two(good: Settings) -> None:
    good.SECRET_KEY_FALLBACKS = ["a secret key", "with a comma"]
    assert "authz.E009" in raised()


def test_e010_debug(good: Settings) -> None:
    good.DEBUG = True
    assert "authz.E010" in raised()


def test_e011_a_short_secret_key(good: Settings) -> None:
    good.SECRET_KEY = "short"
    assert "authz.E011" in raised()


def test_e012_a_missing_signing_key(good: Settings) -> None:
    SigningKey.objects.filter(alg="ES256").delete()
    assert "authz.E012" in raised()


def test_e013_a_secret_key_that_opens_nothing(good: Settings) -> None:
    good.SECRET_KEY = "another secret key that is long enough for everything"
    assert "authz.E013" in raised()


def test_e014_a_database_that_does_not_answer(transactional_db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE authz_signingkey RENAME TO authz_signingkey_away")
    try:
        assert "authz.E014" in raised()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE authz_signingkey_away RENAME TO authz_signingkey")


def test_w001_sqlite_serves_one_machine(good: Settings) -> None:
    assert ("authz.W001" in raised()) == (connection.vendor == "sqlite")
