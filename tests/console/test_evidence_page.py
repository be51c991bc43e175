"""The page of seals and destinations, and proofs to download: only for readers of the audit."""

import json
from datetime import UTC, datetime

import pytest
from django.test import Client as Browser

from authz import audit
from authz.evidence import sealer
from authz.models import AuditDestination, AuditEvent, User
from tests.support import append_only

PAGE = "/console/authz/auditdestination/"


@pytest.fixture
def as_(db: None) -> "type[Browser]":
    def sign_in(role: str) -> Browser:
        user = User.objects.create(username=f"somebody-{role}", role=role)
        browser = Browser()
        browser.force_login(user, backend="authz.sign_in.password_backend.PasswordBackend")
        return browser

    return sign_in  # type: ignore[return-value]


def test_it_says_what_is_sealed_and_who_was_told(as_: type[Browser]) -> None:
    browser = as_("auditor")
    assert "The first one is made with the first seal." in browser.get(PAGE).content.decode()
    audit.record(audit.Event.SIGNED_OUT)
    sealer.run()
    AuditDestination.objects.create(
        name="siem", format="ocsf", to="https://siem.example", failures=3, failure="OutboundError: <b>connect</b>"
    )
    AuditDestination.objects.create(name="file", format="jsonl", to="file:a", position=1, delivered=datetime.now(UTC))
    page = browser.get(PAGE).content.decode()
    assert "failed 3×" in page
    assert "&lt;b&gt;connect" in page
    assert ">works<" in page
    checkpoint = browser.get(f"{PAGE}checkpoint")
    assert checkpoint.content.decode().splitlines()[1] == str(AuditEvent.objects.count() - 1)
    assert "attachment" in checkpoint["Content-Disposition"]


def test_an_events_page_leads_to_its_proof(as_: type[Browser]) -> None:
    browser = as_("auditor")
    audit.record(audit.Event.SIGNED_OUT)
    event = AuditEvent.objects.get(event="person:session:ended")
    page = f"/console/authz/auditevent/{event.pk}/change/"
    assert browser.get(f"{PAGE}proof/{event.pk}").status_code == 404
    sealer.run()
    assert f"{PAGE}proof/{event.pk}" in browser.get(page).content.decode()
    proof = json.loads(browser.get(f"{PAGE}proof/{event.pk}").content)
    assert json.loads(proof["leaf"])["id"] == event.pk


def test_late_seals_are_a_warning(as_: type[Browser]) -> None:
    audit.record(audit.Event.SIGNED_OUT)
    with append_only.lifted():
        AuditEvent.objects.update(time="2026-01-01T00:00Z")
    assert "wait to be sealed for longer" in as_("auditor").get(PAGE).content.decode()


@pytest.mark.parametrize("role", ["developer", ""])
def test_who_may_not_read_the_audit_sees_none_of_it(as_: type[Browser], role: str) -> None:
    browser = as_(role)
    for url in (PAGE, f"{PAGE}checkpoint", f"{PAGE}proof/1"):
        assert browser.get(url).status_code in {302, 403}
