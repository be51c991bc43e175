"""A configuration file that is junk: the line is named, nothing is changed, and there is never a traceback."""

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from authz.models import AuditEvent, User
from authz.protocol.numbers import number
from authz.protocol.timestamps import parse_time
from tests.support import commands, databases
from tests.support.world import World

RULE = (
    "rules:\n  - name: R\n    effect: allow\n    clients: ['*']\n"
    "    grant_types: ['*']\n    resources: ['*']\n    scopes: ['*']\n"
)
CLIENT = "clients:\n  - client_id: x\n    grant_types: [client_credentials]\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8)
)
# What is in the file, and the line that has to be named.
JUNK = {
    "int": ("users:\n  - username: !!int abc\n", 2),
    "int of 5,000 digits": (f"users:\n  - username: {'9' * 5000}\n", 2),
    "hexadecimal int of 5,000 digits": (f"users:\n  - username: 0x{'f' * 5000}\n", 2),
    "float": ("users:\n  - username: !!float abc\n", 2),
    "infinity": ("users:\n  - username: .inf\n", 2),
    "not a number": ("users:\n  - username: .nan\n", 2),
    "1e999": ("users:\n  - username: 1.0e+999\n", 2),
    "bool": ("users:\n  - active: !!bool maybe\n", 2),
    "binary": ("users:\n  - username: !!binary aGVsbG8=\n", 2),
    "set": ("users:\n  - !!set {a, b}\n", 2),
    "omap": ("users: !!omap [a: 1]\n", 1),
    "pairs": ("users: !!pairs [a: 1]\n", 1),
    "python object": ("users:\n  - username: !!python/object/apply:os.system [id]\n", 2),
    "python name": ("users:\n  - username: !!python/name:os.system\n", 2),
    "local tag": ("users:\n  - username: !secret x\n", 2),
    "a mapping that is called an int": ("users: !!int {a: 1}\n", 1),
    "a text that is called a mapping": ("users: !!map abc\n", 1),
    "alias bomb": (BOMB, 0),
    "alias of itself": ("users: &a\n  - *a\n", 1),
    "unknown alias": ("users: *missing\n", 1),
    "deep": ("users:\n  - " + "[" * 60 + "]" * 60 + "\n", 2),
    "very deep": ("users:\n  - " + "[" * 20_000 + "]" * 20_000 + "\n", 2),
    "deep mappings": ("users:\n  - " + "{a: " * 40 + "}" * 40 + "\n", 2),
    "a key that is a list": ("? [a]\n: b\n", 1),
    "a key that is null": ("~: b\n", 1),
    "a key that is a number": ("1: b\n", 1),
    "merge key": ("users:\n  - <<: {username: a}\n", 2),
    "merge key of an alias": ("users:\n  - &a {username: a}\n  - <<: *a\n    username: b\n", 3),
    "NUL": ("users:\n  - username: a\0b\n", 2),
    "escaped NUL": ('users:\n  - username: "a\\0b"\n', 2),
    "half a surrogate pair": ('users:\n  - username: "a\\ud800b"\n', 2),
    "control character": ("users:\n  - username: a\x07b\n", 2),
    "tab": ("users:\n\t- username: a\n", 2),
    "unclosed": ("users: [\n", 2),
    "two documents": ("users: []\n---\nusers: []\n", 2),
    "a list": ("- users\n", 1),
    "a number": ("4711\n", 1),
    "a year that is too late": (f"{RULE}    conditions: {{not_after: 9999-12-31}}\n", 8),
    "a moment that is too late": (f"{RULE}    conditions: {{not_after: '9999-12-31T23:59:59-14:00'}}\n", 8),
    "a moment that is too early": (f"{RULE}    conditions: {{not_before: '0001-01-01T00:00:00+14:00'}}\n", 8),
    "the thirteenth month": (f"{RULE}    conditions: {{not_after: 2026-13-01}}\n", 8),
    "a moment of 5,000 digits": (f"{RULE}    conditions: {{not_after: '{'2' * 5000}'}}\n", 8),
    "an approval that ends too late": (f"{CLIENT}    approved_until: 9999-12-31\n", 4),
    "a lifetime of 5,000 digits": (f"{RULE}    max_lifetime: {'9' * 5000}\n", 8),
}


@pytest.fixture
def administrator(gatehouse: World) -> Browser:
    browser = Browser()
    browser.force_login(User.objects.get(username="alice"), "authz.sign_in.password_backend.PasswordBackend")
    return browser


@pytest.mark.parametrize("name", JUNK)
def test_the_command_names_the_line(gatehouse: World, tmp_path: Path, name: str) -> None:
    text, line = JUNK[name]
    file = tmp_path / "junk.yaml"
    file.write_text(text, encoding="utf-8")
    before = AuditEvent.objects.count()
    with pytest.raises(CommandError) as refused:
        call_command("apply", str(file), stdout=StringIO())
    assert f"junk.yaml: {f'line {line}: ' if line else ''}" in str(refused.value)
    assert "Nothing was changed" in str(refused.value)
    assert len(str(refused.value)) < 2000
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize("name", JUNK)
def test_the_api_names_the_line(administrator: Browser, name: str) -> None:
    text, line = JUNK[name]
    answer = administrator.post("/api/v1/configuration", text.encode(), content_type="application/yaml")
    assert answer.status_code == 422, answer.content
    assert answer.json().get("line", 0) == line


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"\xed\xa0\x80", b"users: [\xc3]", b"\x80", b"\xef\xbb\xbf\xff"])
def test_what_is_not_utf8_is_not_read(administrator: Browser, tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "junk.yaml"
    file.write_bytes(raw)
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("apply", str(file), stdout=StringIO())
    answer = administrator.post("/api/v1/configuration", raw, content_type="application/yaml")
    assert answer.status_code == 400


@pytest.mark.any_database
def test_the_process_ends_with_a_status_and_without_a_traceback(tmp_path: Path) -> None:
    with databases.database(tmp_path) as url:
        names = ("int", "very deep", "a year that is too late", "python object")
        files = [tmp_path / f"{number}.yaml" for number in range(len(names))]
        for file, name in zip(files, names, strict=True):
            file.write_text(JUNK[name][0])
        answers = commands.each([["apply", str(file)] for file in files], commands.environment(url))
    for name, done in zip(names, answers, strict=True):
        assert done.code == 1, done
        assert "Traceback" not in done.errors
        assert f"line {JUNK[name][1]}: " in done.errors


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0", 0), ("1", 1), ("200", 200), ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None), ("9" * 5000, None), ("0000000019999999", None), ("01", None), ("", None),
        ("-1", None), ("+1", None), (" 1", None), ("1 ", None), ("1\n", None), ("1.0", None), ("1e3", None),
        ("0x1", None), ("1_0", None), ("٣", None), ("३", None), ("²", None), ("１", None), ("a", None), ("\0", None),
    ],
)  # fmt: skip
def test_a_number_has_one_spelling(text: str, found: int | None) -> None:
    assert number(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-12-31T18:00:00Z", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        ("2026-12-31T18:00:00+02:00", datetime(2026, 12, 31, 16, tzinfo=UTC)),
        ("2026-12-31T18:00:00", None), ("2026-12-31", None), ("9999-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59-14:00", None), ("0001-01-01T00:00:00+14:00", None), ("1969-12-31T23:59:59Z", None),
        ("", None), ("x", None), ("2026-12-31T18:00:00+99:99", None), ("9" * 5000, None), ("\0", None),
    ],
)  # fmt: skip
def test_a_moment_is_one_that_every_database_has(text: str, found: datetime | None) -> None:
    assert parse_time(text) == found
