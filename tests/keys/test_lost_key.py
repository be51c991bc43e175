"""One secret under a key that is lost: the configuration is read, exported and applied all the same."""

from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client as Browser

from authz.configuration import apply, export
from authz.keys.secrets_at_rest import UNREADABLE, fingerprint
from authz.models import AuditDestination, User, WebhookEndpoint
from authz.operations import doctor
from tests.support.world import World
from xaa.models import SignInClient

WEBHOOK = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW_WEBHOOK = "whsec_" + "NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FILE = f"""
webhooks:
  - {{name: chat, url: 'https://chat.example.com/hook', secret: {WEBHOOK}}}
  - {{name: other, url: 'https://other.example.com/hook', secret: {WEBHOOK}}}
audit_destinations:
  - {{name: siem, format: jsonl, to: 'https://siem.example.com/in', bearer_token: token-0123456789}}
trusted_issuers:
  - issuer: https://idp.example.com
    name: IdP
    accepts: [id_token]
    subjects: {{match: [sub, email]}}
    sign_in: {{client_id: gatehouse}}
    sign_in_secret: sign-in-secret
"""
# What mends each: the item with a new secret.
MENDED = {
    "webhooks": f"webhooks: [{{name: chat, url: 'https://chat.example.com/hook', secret: {NEW_WEBHOOK}}}]",
    "audit_destinations": "audit_destinations: [{name: siem, format: jsonl, to: 'https://siem.example.com/in',"
    " bearer_token: token-9876543210}]",
    "trusted_issuers": "trusted_issuers: [{issuer: 'https://idp.example.com', name: IdP, accepts: [id_token],"
    " subjects: {match: [sub, email]}, sign_in: {client_id: gatehouse}, sign_in_secret: another}]",
}
SECTIONS = list(MENDED)


def lose(section: str) -> None:
    """The ciphertext as it would be under another server's key."""
    foreign = b"\x01" + b"\x07" * 60
    if section == "webhooks":
        assert WebhookEndpoint.objects.filter(name="chat").update(secret=foreign)
    elif section == "audit_destinations":
        assert AuditDestination.objects.filter(name="siem").update(encrypted_token=foreign)
    else:
        assert SignInClient.objects.update(secret=foreign)


@pytest.fixture
def configured(gatehouse: World) -> Browser:
    apply(FILE)
    browser = Browser()
    browser.force_login(User.objects.get(username="alice"), backend="authz.sign_in.password_backend.PasswordBackend")
    return browser


def exported() -> tuple[dict[str, Any], str, str]:
    out, err = StringIO(), StringIO()
    call_command("export", stdout=out, stderr=err, no_color=True)
    return yaml.safe_load(out.getvalue()), out.getvalue(), err.getvalue()


@pytest.mark.parametrize("section", SECTIONS)
def test_the_export_says_so_and_goes_on(configured: Browser, section: str) -> None:
    before, _, nothing = exported()
    lose(section)
    after, text, told = exported()
    assert (after, nothing) == (before, "")
    assert text.startswith(f"# {section}: ")
    (line,) = told.strip().splitlines()
    assert line.startswith(f"{section}: ")
    assert "none of our keys opens its" in line


@pytest.mark.parametrize("section", SECTIONS)
def test_everything_is_read_by_the_api(configured: Browser, section: str) -> None:
    before = configured.get("/api/v1/configuration").json()
    lose(section)
    assert configured.get("/api/v1/configuration").json() == before
    assert configured.get("/api/v1/configuration", headers={"accept": "application/yaml"}).status_code == 200
    for each in SECTIONS:
        assert configured.get(f"/api/v1/configuration/{each}").status_code == 200


@pytest.mark.parametrize("section", SECTIONS)
def test_others_are_applied_and_the_file_again_changes_nothing(configured: Browser, section: str) -> None:
    lose(section)
    assert apply(export()) == []
    (change,) = apply("webhooks: [{name: other, url: 'https://other.example.com/new'}]")
    assert change.key == "other"


@pytest.mark.parametrize("section", SECTIONS)
def test_a_new_secret_mends_it(configured: Browser, section: str) -> None:
    lose(section)
    assert doctor.examine()["secrets"]
    (change,) = apply(MENDED[section])
    assert (change.section, change.action) == (section, "changed")
    assert UNREADABLE not in str(change)
    assert doctor.examine()["secrets"] == []
    _, text, told = exported()
    assert not text.startswith("#")
    assert told == ""


@pytest.mark.parametrize("section", SECTIONS)
def test_the_file_with_the_same_secrets_changes_nothing(configured: Browser, section: str) -> None:
    assert apply(FILE) == []
    lose(section)
    (change,) = apply(FILE)
    assert change.section == section


def test_a_fingerprint_tells_secrets_apart_and_shows_none() -> None:
    assert fingerprint(lambda: b"") == ""
    assert fingerprint(lambda: b"a") != fingerprint(lambda: b"b")
    assert len(fingerprint(lambda: b"a")) == 64
