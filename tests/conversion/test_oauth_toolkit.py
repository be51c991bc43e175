"""What a plain django-oauth-toolkit writes becomes a file that `apply` takes."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authz.configuration import apply
from authz.conversion import Draft, NotAnExportError, oauth_toolkit
from authz.models import Client
from demo.processes import ROOT

SECRET = "0123456789-0123456789-0123456789"


def application(**fields: Any) -> dict[str, Any]:
    """As version 3.4 writes one."""
    return {
        "model": "oauth2_provider.application",
        "pk": 1,
        "fields": {
            "client_id": "app",
            "user": 1,
            "redirect_uris": "https://app.example.com/callback",
            "post_logout_redirect_uris": "",
            "client_type": "public",
            "authorization_grant_type": "authorization-code",
            "client_secret": "",
            "hash_client_secret": True,
            "name": "App",
            "skip_authorization": False,
            "algorithm": "",
            "registration_source": "manual",
            **fields,
        },
    }


def converted(*rows: object, has_secrets: bool = False) -> Draft:
    return oauth_toolkit.convert(list(rows), has_secrets=has_secrets)


def said(draft: Draft) -> str:
    return "\n".join(map(str, draft.left_out))


@pytest.fixture(scope="module")
def dumped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a real one, with two clients, a token and its owner."""
    folder = tmp_path_factory.mktemp("toolkit")
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.bench.toolkit.settings", "PEER_FOLDER": str(folder)}
    for call in (["tests.bench.toolkit.prepare", "1"], ["django", "dumpdata", "oauth2_provider", "auth.user"]):
        done = subprocess.run(
            [sys.executable, "-m", *call], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        )
    (file := folder / "dump.json").write_text(done.stdout)
    return file


def test_a_real_export_is_applied(db: None, dumped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, remarks = StringIO(), StringIO()
    call_command("convert", "oauth-toolkit", str(dumped), "--secrets", stdout=out, stderr=remarks)
    apply("users: [{username: bob}]")
    monkeypatch.setenv("SECRET_NIGHTLY_REPORT", SECRET)
    apply(out.getvalue())
    found = {client.client_id: client for client in Client.objects.select_related("owner")}
    assert found.keys() == {"nightly-report", "desktop-app"}
    assert {client.owner.username for client in found.values() if client.owner} == {"bob"}
    assert found["nightly-report"].grant_types == ["client_credentials"]
    assert found["desktop-app"].redirect_uri_list == ["https://app.example/callback"]
    assert "client nightly-report: Its secret is stored as a hash there. Put a new one into" in remarks.getvalue()
    assert "1 of accesstoken: Not in this file" in remarks.getvalue()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"authorization_grant_type": "implicit"}, "It uses the grant implicit, which this server has not."),
        ({"authorization_grant_type": "password"}, "It uses the grant password, which this server has not."),
        ({"authorization_grant_type": "openid-hybrid"}, "It uses the grant openid-hybrid, which this server has not."),
        ({"authorization_grant_type": "client-credentials"}, "It uses client credentials without authenticating"),
        ({"registration_source": "cimd"}, "it introduces itself by its metadata document again"),
    ],
)
def test_those_that_cannot_be_ours(fields: dict[str, Any], sentence: str) -> None:
    draft = converted(application(**fields))
    assert not draft.clients
    assert sentence in said(draft)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"skip_authorization": True}, "It skipped the consent page."),
        ({"algorithm": "HS256"}, "Its ID tokens were signed with HS256."),
        ({"redirect_uris": "https://*.example.com/ https://a.example/"}, "https://*.example.com/ is left out"),
        ({"client_type": "confidential", "client_secret": ""}, "Its secret is stored as a hash there."),
    ],
)
def test_what_is_otherwise_here(fields: dict[str, Any], sentence: str) -> None:
    draft = converted(application(**fields))
    assert len(draft.clients) == 1
    assert sentence in said(draft)


@pytest.mark.parametrize(
    "secret", ["pbkdf2_sha256$1000$salt$0123456789abcdefghijklmnopqrstuvw", "argon2$argon2id$v=19$m=8"]
)
def test_a_hash_is_never_taken_for_the_secret(secret: str) -> None:
    """Attack: who reads the old database would know the new secret."""
    row = application(client_type="confidential", client_secret=secret, hash_client_secret=False)
    assert "client_secret" not in converted(row, has_secrets=True).clients[0]


def test_a_secret_in_plain() -> None:
    row = application(client_type="confidential", client_secret=SECRET, hash_client_secret=False)
    assert converted(row, has_secrets=True).clients[0]["client_secret"] == SECRET
    assert SECRET not in converted(row).as_yaml()


@pytest.mark.parametrize(
    ("user", "owner"), [(7, "carol"), (["dora"], "dora"), (8, None), (None, None), ({"pk": 7}, None)]
)
def test_owners(user: object, owner: str | None) -> None:
    people = {"model": "auth.user", "pk": 7, "fields": {"username": "carol"}}
    assert converted(application(user=user), people).clients[0].get("owner") == owner


def test_an_application_model_of_a_project() -> None:
    row = application() | {"model": "shop.partner"}
    assert [client["client_id"] for client in converted(row).clients] == ["app"]


@pytest.mark.parametrize("export", [{}, [], [7], [{"model": "auth.user", "pk": 1, "fields": {}}], "x", None])
def test_what_is_no_export(export: object, tmp_path: Path) -> None:
    with pytest.raises(NotAnExportError, match="it has no application"):
        oauth_toolkit.convert(export)
    (file := tmp_path / "dump.json").write_text(json.dumps(export))
    with pytest.raises(CommandError, match="it has no application"):
        call_command("convert", "oauth-toolkit", str(file))
