"""Destinations of the audit in the console: a form, in step with `apply`, and a test that really sends."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from authz.conf import conf
from authz.configuration import apply, export
from authz.evidence import delivery, destination_test, sealer
from authz.evidence.destination_tokens import token_of
from authz.models import AuditDestination, AuditEvent
from tests.console.conftest import Page
from tests.evidence.collectors import collector
from tests.support.document_host import DocumentHost, reply

__all__ = ["collector"]

ADD = reverse("admin:authz_auditdestination_add")
LIST = reverse("admin:authz_auditdestination_changelist")
TOKEN = "the-token-of-the-collector"


def address(page: str, name: str = "siem") -> str:
    return reverse(f"admin:authz_auditdestination_{page}", args=[name])


def given(**changes: str) -> dict[str, str]:
    return {"name": "siem", "format": "jsonl", "to": "file:siem.jsonl", "enabled": "on", **changes}


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, settings: Any) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "AUDIT_DIRECTORY": tmp_path / "audit"}


def test_what_the_form_saves_is_what_the_file_says(signed_in: Page, collector: DocumentHost) -> None:
    browser, to = signed_in("administrator"), collector.url("/ingest")
    answer = browser.post(ADD, given(to=to, format="ocsf", bearer_token=TOKEN))
    assert answer["Location"] == address("change")
    row = AuditDestination.objects.get()
    assert (row.name, row.format, row.to, row.enabled, token_of(row)) == ("siem", "ocsf", to, True, TOKEN)
    assert f"to: {to}" in export() and TOKEN not in export()
    assert apply(export()) == []
    by_api = browser.get("/api/v1/configuration/audit_destinations/siem").json()
    assert (by_api["to"], by_api["format"]) == (to, "ocsf")
    event = AuditEvent.objects.filter(event="configuration:object:created").latest("id")
    assert "siem" in str(event.detail)
    assert event.detail["by"] == "alice" and TOKEN not in str(list(AuditEvent.objects.values("detail")))


def test_the_token_is_never_shown_and_stays_when_it_is_left_empty(signed_in: Page, collector: DocumentHost) -> None:
    browser, to = signed_in("administrator"), collector.url("/ingest")
    browser.post(ADD, given(to=to, bearer_token=TOKEN))
    for path in (LIST, address("change"), address("test")):
        assert TOKEN not in browser.get(path).content.decode()
    browser.post(address("change"), given(to=to, format="cef"))
    row = AuditDestination.objects.get()
    assert (row.format, token_of(row)) == ("cef", TOKEN)
    browser.post(address("change"), given(to=to, forget_token="on"))
    assert token_of(AuditDestination.objects.get()) == ""


def test_another_systems_token_is_not_sent_to_a_new_address(signed_in: Page, collector: DocumentHost) -> None:
    browser = signed_in("administrator")
    browser.post(ADD, given(to=collector.url("/ingest"), bearer_token=TOKEN))
    page = browser.post(address("change"), given(to=collector.url("/thief"))).content.decode()
    assert "Is needed again" in page
    assert AuditDestination.objects.get().to == collector.url("/ingest")


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "http://siem.example/"}, {"to": "https://127.0.0.1/"}, {"to": "file:../etc/passwd"},
        {"to": "file:audit.gz"}, {"to": "syslog+tls://h:514", "format": "checkpoint"}, {"to": "javascript:alert(1)"},
        {"bearer_token": "for-a-file"}, {"name": "si\u200bem"}, {"format": "xml"}, {"to": "https://u:p@siem.example/"},
    ],
)  # fmt: skip
def test_a_place_that_is_none_is_refused_beside_its_field(signed_in: Page, wrong: dict[str, str]) -> None:
    answer = signed_in("administrator").post(ADD, given(**wrong))
    if wrong == {"to": "https://127.0.0.1/"}:
        # A name may become public later: the address is looked at when something is sent.
        AuditDestination.objects.all().delete()
        return
    assert answer.status_code == 200 and answer.context["form"].errors
    assert not AuditDestination.objects.exists()


def test_a_name_is_taken_once(signed_in: Page) -> None:
    browser = signed_in("administrator")
    browser.post(ADD, given())
    assert "There is a destination of this name" in browser.post(ADD, given(to="file:other")).content.decode()
    assert AuditDestination.objects.get().to == "file:siem.jsonl"


@pytest.mark.parametrize("role", ["approver", "auditor", "developer", "none"])
def test_other_roles_change_test_and_remove_nothing(signed_in: Page, collector: DocumentHost, role: str) -> None:
    signed_in("administrator").post(ADD, given(to=collector.url("/ingest")))
    browser = signed_in(role)
    for path in (ADD, address("change"), address("test"), address("delete")):
        assert browser.post(path, given(name="mine", to="file:mine")).status_code in {302, 403}
    assert AuditDestination.objects.get().to == collector.url("/ingest")
    assert collector.requests == []


def test_removing_one_is_recorded(signed_in: Page) -> None:
    browser = signed_in("administrator")
    browser.post(ADD, given())
    assert b"gets no more events" in browser.get(address("delete")).content
    browser.post(address("delete"))
    assert not AuditDestination.objects.exists()
    assert AuditEvent.objects.filter(event="configuration:object:removed").count() == 1


# --- the test ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoken", ["jsonl", "ocsf", "cef"])
def test_a_test_really_arrives_and_is_no_event(signed_in: Page, collector: DocumentHost, spoken: str) -> None:
    browser = signed_in("administrator")
    browser.post(ADD, given(to=collector.url("/ingest"), format=spoken, bearer_token=TOKEN))
    page = browser.post(address("test")).content.decode()
    assert "The test arrived" in page
    (request,) = collector.requests
    assert f"Authorization: Bearer {TOKEN}\r\n" in request and destination_test.EVENT in request
    if spoken == "jsonl":
        assert json.loads(request.partition("\r\n\r\n")[2])["index"] == -1
    row = AuditDestination.objects.get()
    assert (row.position, row.delivered, row.failures) == (0, None, 0)
    event = AuditEvent.objects.get(event="audit:destination:tested")
    assert (event.detail["name"], event.detail["by"], event.detail["arrived"]) == ("siem", "alice", True)


@pytest.mark.parametrize(("status", "words"), [("500 Oops", "500"), ("302 Found", "redirect"), ("401 No", "401")])
def test_it_says_what_came_back(signed_in: Page, collector: DocumentHost, status: str, words: str) -> None:
    browser = signed_in("administrator")
    browser.post(ADD, given(to=collector.url("/ingest")))
    collector.serve("/ingest", reply(b"", status=status, headers={"Location": "https://evil.example/"}))
    page = browser.post(address("test")).content.decode()
    assert "It did not arrive" in page and words in page
    assert not AuditEvent.objects.get(event="audit:destination:tested").detail["arrived"]


@pytest.mark.parametrize("to", ["https://169.254.169.254/latest", "https://localhost:1/", "syslog+tls://10.0.0.1:6514"])
def test_a_test_reaches_no_private_address(signed_in: Page, to: str) -> None:
    """Server-side request forgery by a form: the test goes out through the same defences as a delivery."""
    browser = signed_in("administrator")
    if browser.post(ADD, given(to=to)).status_code == 302:
        page = browser.post(address("test")).content.decode()
        assert "It did not arrive" in page and "address_forbidden" in page
    else:
        assert not AuditDestination.objects.exists()


def test_a_test_leaves_nothing_in_a_file_and_later_events_follow(signed_in: Page) -> None:
    browser = signed_in("administrator")
    browser.post(ADD, given())
    assert "The file can be written" in browser.post(address("test")).content.decode()
    file = conf.audit_directory / "siem.jsonl"
    assert file.read_text() == ""
    sealer.run()
    delivery.run()
    assert json.loads(file.read_text().splitlines()[0])["index"] == 0


def test_a_checkpoint_is_sent_once_there_is_one(signed_in: Page, collector: DocumentHost) -> None:
    browser = signed_in("administrator")
    browser.post(ADD, given(to=collector.url("/ingest"), format="checkpoint"))
    assert "Nothing is sealed yet" in browser.post(address("test")).content.decode()
    sealer.run()
    assert "took the latest checkpoint" in browser.post(address("test")).content.decode()
    assert len(collector.requests) == 1
