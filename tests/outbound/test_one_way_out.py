"""Which modules may use the parts of the standard library and of Django that open connections (invariant 6).

The import contract "One way out" in pyproject.toml says the same of whole packages.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = ("django.core.mail", "http.client", "urllib.request")

# Every other module may import none of them.
NAMED = {
    ("authz/outbound/mail.py", "django.core.mail"): "the one way for mail",
    ("authz/outbound/mail_transport.py", "django.core.mail"): "Django's mail backend, within a deadline",
    ("authz/notifications/logged_mail.py", "django.core.mail"): "a mail as a line of the log, where no server is set",
    ("authz/outbound/pinned_connection.py", "http.client"): "the answer that is read within a deadline",
    (
        "authz/operations/doctor/services.py",
        "django.core.mail",
    ): "examines whether the mail server of the settings answers",
    ("authz/serving/wsgi.py", "http.client"): "the names of the status codes",
}


def imported(source: str) -> Iterator[str]:
    """The dotted names that the source imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used(source: str) -> set[str]:
    """Those of `FORBIDDEN` that the source imports, or a part of them."""
    names = list(imported(source))
    return {part for part in FORBIDDEN for name in names if f"{name}.".startswith(f"{part}.")}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import http.client", {"http.client"}),
        ("from http import client", {"http.client"}),
        ("def send():\n    from django.core.mail.backends.smtp import EmailBackend", {"django.core.mail"}),
        ("import urllib.request as web", {"urllib.request"}),
        ("from http import HTTPStatus\nfrom urllib.parse import urlsplit\nimport django.core.mailbox", set()),
    ],
)
def test_an_import_is_found_in_each_of_its_spellings(source: str, found: set[str]) -> None:
    assert used(source) == found


def test_only_the_named_modules_import_a_client_for_mail_or_http() -> None:
    files = (file for app in ("authz", "cimd", "xaa") for file in (ROOT / app).rglob("*.py"))
    found = {(str(file.relative_to(ROOT)), part) for file in files for part in used(file.read_text())}
    assert found == set(NAMED)
