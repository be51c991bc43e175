"""Every variable of docs/settings.md with wrong values of each kind: a sentence each, and all of them at once."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from authz.environment_readers import as_lines
from demo.processes import ROOT

SWITCH = "must be 1 (on) or 0 (off), not {!r}"
MISSING = "/nowhere/at/all"
NUMBERS = ("-1", "1.5", "ten", "٣", "1e3", " 5", "9999999999")
# What each may not be, and what is said of it after its name. {!r} stands for the value.
WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "GATEHOUSE_REQUIRE_RESOURCE": (("yes", "true", "2", "-1"), SWITCH),
    "GATEHOUSE_PLANS_NEED_APPROVAL": (("no", "off"), SWITCH),
    "GATEHOUSE_DATABASE_POOLER": (("on",), SWITCH),
    "GATEHOUSE_DEBUG": (("True",), SWITCH),
    "GATEHOUSE_MCP": (("yes",), SWITCH),
    "GATEHOUSE_DPOP_NONCES": (("yes",), SWITCH),
    "GATEHOUSE_REQUIRE_PAR": (("always",), SWITCH),
    "GATEHOUSE_MCP_SAMPLING": (("on",), SWITCH),
    "GATEHOUSE_DATABASE_POOL": ((*NUMBERS, "0"), "must be a whole number of connections, 1 at least, not {!r}"),
    "GATEHOUSE_DATABASE_TIMEOUT": ((*NUMBERS, "0"), "must be a whole number of seconds, 1 at least, not {!r}"),
    "THREADS": ((*NUMBERS, "0"), "must be a whole number of threads, 1 at least, not {!r}"),
    "GATEHOUSE_DELEGATION_HOPS": (("9", "-1", "many"), "must be a whole number of hops, 8 at most, not {!r}"),
    "GATEHOUSE_REFRESH_REUSE_WINDOW": (NUMBERS, "must be a whole number of seconds, not {!r}"),
    "GATEHOUSE_AUDIT_RETENTION_DAYS": (NUMBERS, "must be a whole number of days, not {!r}"),
    "GATEHOUSE_SECOND_FACTOR_ROLES": (
        ("admin", "everyone", "Auditor"),
        "takes none, developer, auditor, approver, administrator, not {!r}",
    ),
    "GATEHOUSE_SESSION_HOURS": (
        (*NUMBERS, "0", "721"),
        "must be a whole number of hours, 1 at least, 720 at most, not {!r}",
    ),
    "GATEHOUSE_SESSION_IDLE_MINUTES": (
        (*NUMBERS, "43201"),
        "must be a whole number of minutes, 43200 at most, not {!r}",
    ),
    "GATEHOUSE_OWNER_GRACE_DAYS": (NUMBERS, "must be a whole number of days, not {!r}"),
    "PORT": (("0", "65536", "-1", "http", "٣"), "must be a port, a number from 1 to 65535, not {!r}"),
    "OTEL_TRACES_SAMPLER_ARG": (("-0.1", "1.1", "10%", "nan"), "must be a number from 0 to 1, such as 0.1"),
    "GATEHOUSE_LOG_FORMAT": (("xml", "JSON"), "must be one of plain, json, not {!r}"),
    "GATEHOUSE_PROXY_HEADER": (("X-Real-IP", "cf"), "must be X-Forwarded-For or Forwarded, not {!r}"),
    "GATEHOUSE_METRICS_TOKEN": (("short",), "needs at least 32 characters"),
    "GATEHOUSE_OUTBOUND_CA_BUNDLE": ((MISSING,), f"names {MISSING}, which cannot be read: No such file or directory"),
    "GATEHOUSE_RUN_DIRECTORY": ((MISSING,), f"names {MISSING}, and there is no such folder"),
    "GATEHOUSE_AUDIT_DIRECTORY": ((f"{ROOT}/README.md",), f"must be a folder, and {ROOT}/README.md is a file"),
    "GATEHOUSE_HOME": ((f"{ROOT}/README.md",), f"must be a folder, and {ROOT}/README.md is a file"),
    "GATEHOUSE_TRUSTED_PROXIES": (
        ("proxy", "10.0.0.0/33", "10.0.0.1,10.0.0.1/8"),
        "takes addresses and networks, such as 10.0.0.5 or 10.0.0.0/24, not ",
    ),
    "GATEHOUSE_PLAIN_HTTP_RESOURCES": (
        ("*", "mcp:70000", "http://mcp:9100", "a b"),
        "takes hosts and host:port pairs, such as mcp:9100, not {!r}",
    ),
    "GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": (
        ("https://idp.internal:443", "*.internal:443", "idp.internal:0", "idp:x"),
        "takes host:port pairs, such as idp.internal:443, not {!r}",
    ),
    "GATEHOUSE_RATE_LIMITS": (
        ("token:client", "5/second"),
        "takes limit=rate pairs, such as token:client=100/second, not {!r}",
    ),
    "OTEL_EXPORTER_OTLP_ENDPOINT": (
        ("collector:4318", "grpc://collector", "https://", "https://c:99999"),
        "must be a https:// or http:// URL, such as https://collector.example.com:4318",
    ),
    "OTEL_EXPORTER_OTLP_HEADERS": (("key", "a b=c", "=x"), "takes name=value pairs, comma-separated; number 1 is none"),
    "CACHE_URL": (
        ("memcached://cache", "cache:6379", "redis://", "redis://cache:x"),
        "must be a redis://, rediss:// or unix:// URL, such as redis://cache:6379/0",
    ),
    "DATABASE_URL": (
        ("/srv/db.sqlite3", "mysql://db/x", "postgres://", "postgres://db", "sqlite://", "sqlite:///"),
        "must be sqlite:////absolute/path or postgres://user:password@host:5432/name",
    ),
    "EMAIL_URL": (
        ("mail.example.com", "http://mail", "smtp://", "smtp://mail:x"),
        "must be smtp://, smtps:// or smtp+plain:// with a host, such as smtp://user:password@host:587",
    ),
    "EMAIL_FROM": (
        ("gatehouse", "a@", "a@b\nBcc: c@d"),
        "must be an address such as gatehouse@example.com or Gatehouse <gatehouse@example.com>, not {!r}",
    ),
    "GATEHOUSE_ISSUER": (("http://[::1",), "is not a URL (Invalid IPv6 URL)"),
}
# Those that a check or the server itself judges: tests/test_checks.py, tests/command_line/test_secret_keys.py and
# tests/command_line/test_environments.py; a person's name by `doctor` (tests/approvals/test_succession.py).
ELSEWHERE = {
    *("GATEHOUSE_SECRET_KEY", "GATEHOUSE_SECRET_KEY_FALLBACKS", "WORKERS", "HOST"),
    "GATEHOUSE_DEFAULT_SUCCESSOR",
}
EMPTY = [name for name in WRONG if name != "GATEHOUSE_HOME"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*WRONG, *ELSEWHERE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))


def settings() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "authz/settings.py"))


def refused() -> list[str]:
    with pytest.raises(ImproperlyConfigured) as raised:
        settings()
    return str(raised.value).splitlines()


def test_every_variable_of_the_page_is_here() -> None:
    tables = (ROOT / "docs/settings.md").read_text().partition("## Checks")[0]
    named = set(re.findall(r"^\| `([A-Z_]+)` \| ", tables, re.MULTILINE)) - set(
        re.findall(r"^\| `([A-Z_]+)` \| ", tables.partition("## The parts")[2], re.MULTILINE)
    )
    assert named == {*WRONG, *ELSEWHERE}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [(name, value, said) for name, (values, said) in WRONG.items() for value in values],
)
def test_a_wrong_value_is_one_sentence(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    (told,) = refused()
    assert told.startswith(f"{name} {said.format(value)}".partition("\n")[0])


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_variable_is_as_if_it_were_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    without = settings()
    monkeypatch.setenv(name, "")
    after = settings()
    assert {key: after[key] for key in after if key.isupper()} == {key: without[key] for key in after if key.isupper()}


def test_all_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = {name: values[0] for name, (values, _) in WRONG.items() if name != "GATEHOUSE_HOME"}
    for name, value in alone.items():
        monkeypatch.setenv(name, value)
    told = refused()
    assert {line.partition(" ")[0].removesuffix(":") for line in told} == set(alone)
    assert len(told) == len(alone)
    assert as_lines(ImproperlyConfigured("\n".join(told))).count("Settings: ") == len(alone)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEHOUSE_PROXY_HEADER", "forwarded"),
        ("GATEHOUSE_PROXY_HEADER", "x-FORWARDED-for"),
        ("GATEHOUSE_OUTBOUND_ALLOWED_HOSTS", "idp.internal:443=keys+discovery,[::1]:9300,10.0.0.5:80"),
        ("GATEHOUSE_TRUSTED_PROXIES", "10.0.0.5, 10.0.0.0/24, fd00::/8"),
        ("CACHE_URL", "unix:///run/redis.sock"),
        ("EMAIL_FROM", "Gatehouse <gatehouse@localhost>"),
        ("GATEHOUSE_ISSUER", "http://[::1]:8000/o"),
    ],
)
def test_a_right_value_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    settings()


def test_a_file_without_a_certificate_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    monkeypatch.setenv("GATEHOUSE_OUTBOUND_CA_BUNDLE", str(tmp_path / "ca.pem"))
    said = f"GATEHOUSE_OUTBOUND_CA_BUNDLE names {tmp_path}/ca.pem, which holds no certificate in PEM form"
    assert refused() == [said]


def test_three_slashes_name_a_file_here_in_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///relative.sqlite3")
    assert settings()["DATABASES"]["default"]["NAME"] == f"{tmp_path}/relative.sqlite3"
