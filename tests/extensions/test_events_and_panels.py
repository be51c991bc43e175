"""Events that extensions report, and panels that they show: namespaced and escaped, and a fault breaks nothing."""

import json

import pytest
from django.test import Client as Browser

from authz.configuration import apply
from authz.models import AuditEvent
from tests.approvals.test_approvers import approve, bob_asks, hold, person
from tests.support.extension_packages import Install
from tests.support.world import NOTES, World, client

pytestmark = pytest.mark.django_db
OWN = "com.example/watch"


def configured(install: Install, source: str) -> None:
    install(OWN, f"TITLE = 'Watch'\n{source}")
    apply(json.dumps({"extensions": {OWN: {"enabled": True, "resources": [NOTES]}}}))


EVENTS = "EVENTS = {'seen': 'It was seen.'}\ndef events(happened, request, settings):\n    "


def test_its_events_stand_under_its_id(gatehouse: World, install: Install) -> None:
    hold()
    configured(install, EVENTS + "return [('seen', {'what': happened, 'who': request['person']})]")
    approve(bob_asks(gatehouse), person("quentin", role="approver"))
    found = AuditEvent.objects.filter(event=f"{OWN}:seen").order_by("id")
    assert [event.detail["reported"] for event in found] == [
        {"what": "request_opened", "who": "bob"},
        {"what": "request_approved", "who": "bob"},
    ]


@pytest.mark.parametrize(
    "body",
    [
        "return [('token:access:issued', {})]",
        "return [('other', {})]",
        "return [('seen', {'x': object()})]",
        "return [('seen', {'x': 'y' * 3000})]",
        "return [('seen', 'text')]",
        "return [('seen', {})] * 6",
        "return 7",
        "raise RuntimeError",
    ],
)
def test_attack_an_event_that_is_not_its_own_or_junk(gatehouse: World, install: Install, body: str) -> None:
    hold()
    configured(install, EVENTS + body)
    assert approve(bob_asks(gatehouse), person("quentin", role="approver")) == "approved"
    assert not AuditEvent.objects.filter(event__startswith=OWN).exists()
    assert not AuditEvent.objects.filter(event="token:access:issued").exists()
    assert AuditEvent.objects.filter(event="extension:call:failed").exists()


PANEL = """
def panels(page, about, settings):
    return [{"title": page, "text": "<script>alert(1)</script>", "columns": ["<b>"], "rows": [["<img src=x>"]]}]
"""
SAFE = """
class Safe(str):
    def __html__(self):
        return self
def panels(page, about, settings):
    return [{"title": Safe("<script>alert(2)</script>")}]
"""


def pages(gatehouse: World) -> list[str]:
    """The pages of an agent, of an access request and of extensions."""
    request = bob_asks(gatehouse)
    browser = Browser()
    browser.force_login(person("alice", role="administrator"))
    agent = client("desktop-app").pk
    return [
        browser.get(address).content.decode()
        for address in (
            f"/console/authz/client/{agent}/change/",
            f"/console/authz/accessrequest/{request.pk}/change/",
            f"/console/authz/accessrequest/{request.pk}/decide/",
            "/console/extensions/",
        )
    ]


def test_attack_panels_are_escaped_on_each_page(gatehouse: World, install: Install) -> None:
    hold()
    configured(install, PANEL)
    for page in pages(gatehouse):
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert(1)" not in page
        assert "<img src=x>" not in page


@pytest.mark.parametrize(
    "source",
    [
        SAFE,
        "def panels(page, about, settings): return [{'title': 't', 'html': '<b>'}]",
        "def panels(page, about, settings): return [{'title': 't', 'columns': ['a'], 'rows': [['b', 'c']]}]",
        "def panels(page, about, settings): return [{'title': 't', 'columns': ['a'], 'rows': [['b']] * 51}]",
        "def panels(page, about, settings): raise RuntimeError('<script>alert(2)</script>')",
        "def panels(page, about, settings): return '<script>'",
    ],
)
def test_attack_a_panel_that_is_junk_is_said_and_the_page_stays(
    gatehouse: World, install: Install, source: str
) -> None:
    hold()
    configured(install, source)
    for page in pages(gatehouse):
        assert "An extension does not answer" in page
        assert "<script>alert(2)" not in page
