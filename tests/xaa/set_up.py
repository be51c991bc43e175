"""A set-up of a trusted issuer, as an administrator does it in the console."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.urls import reverse

from authz.configuration import apply
from authz.models import User
from authz.outbound import remote_documents
from tests.cimd.test_console import browser
from tests.xaa.company import IDP, Company
from tests.xaa.upstream import LOGIN, Upstream, configuration
from xaa.models import SubjectLink, TrustedIssuer
from xaa.sign_in import exchange
from xaa.trusted_issuers import discovery, metadata_check

CALLBACK = f"{LOGIN}callback/"
NEW = reverse("admin:add_issuer")
SILENT = {"subjects": {"match": ["sub"]}}


@pytest.fixture
def upstream(company: Company, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """The issuer answers; it signs people in, and does not count yet."""
    TrustedIssuer.objects.all().delete()
    apply(configuration(enabled=False))
    made = Upstream(company)
    for module in (exchange, remote_documents, metadata_check):
        monkeypatch.setattr(module, "fetch", made.fetch)
    discovery.forget(IDP)
    made.browser = browser("alice", User.Role.ADMINISTRATOR)
    yield made
    discovery.forget(IDP)


def row() -> TrustedIssuer:
    return TrustedIssuer.objects.get(issuer=IDP)


def page() -> str:
    return reverse("admin:xaa_trustedissuer_setup", args=[row().pk])


def act(upstream: Upstream, name: str, **more: str) -> str:
    """Press a button of the set-up; what the page then says."""
    answer: Any = upstream.browser.post(page(), {"act": name, **more}, follow=True)
    return str(answer.content.decode())


def begin(upstream: Upstream) -> dict[str, str]:
    """The parameters with which the administrator is sent to the issuer."""
    answer: Any = upstream.browser.post(page(), {"act": "test"})
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith(f"{IDP}/authorize?"), answer["Location"]
    sent = {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}
    upstream.nonce = sent["nonce"]
    return sent


def end(upstream: Upstream, state: str, **params: str) -> Any:
    query = {"code": "a-code", "iss": IDP, "state": state, **params}
    return upstream.browser.get(CALLBACK, query, follow=True)


def try_it(upstream: Upstream) -> Any:
    return end(upstream, begin(upstream)["state"])


def everything() -> dict[str, list[Any]]:
    """The rows that a sign-in would make or change."""
    return {
        "people": list(User.objects.order_by("pk").values_list("pk", "username", "email", "password", "is_active")),
        "members": list(User.groups.through.objects.order_by("pk").values_list("user", "group")),
        "links": list(SubjectLink.objects.values_list()),
        "sessions": list(connection_rows("SELECT digest, user_id, issuer FROM authz_browsersession")),
        "sign-ins": list(connection_rows("SELECT digest, user_id FROM xaa_session")),
    }


def connection_rows(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return sorted(cursor.fetchall())


def connection_all(table: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608  a name from the schema
        return list(cursor.fetchall())
