"""Unusual calls in the console: on the pages of the agent, the person and the server, at home, and in the audit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from authz.decisions import usage_counts
from authz.models import AuditEvent, CallDay, ProtectedResource, Rule, ToolUse
from tests.console.conftest import Page
from tests.console.test_calls import listed
from tests.decision_point.conftest import PDP, configure, pdp
from tests.decision_point.test_unusual_calls import day_before
from tests.support.world import NOTES, World, client, person

__all__ = ["pdp"]


@pytest.fixture
def made(gatehouse: World, pdp: PDP) -> str:
    """Bob's desktop app makes four calls of two tools that are new, on a day of which three calls are usual."""
    configure(usual_calls=2)
    token: str = gatehouse.signed_in_tokens()["access_token"]
    day_before(1, 1)
    for tool in ("search", "search", "search", "erase"):
        assert pdp.call(token, tool)["decision"] is True
    usage_counts.flush()
    return token


def test_the_pages_of_agent_person_and_server_show_them(signed_in: Page, made: str) -> None:
    notes = ProtectedResource.objects.get(identifier=NOTES)
    pages = (
        f"/console/authz/client/{client('desktop-app').pk}/change/",
        f"/console/authz/user/{person('bob').pk}/change/",
        f"/console/authz/protectedresource/{notes.pk}/change/",
    )
    for path in pages:
        page = signed_in("administrator").get(path).content.decode()
        assert "<h2>Unusual calls</h2>" in page, path
        assert 'First call of <bdi class="foreign">erase</bdi>' in page
        assert "4 calls on" in page
        assert "the busiest day of the month before had 1" in page
        assert "tool=erase" in page
    # What lies longer back is not shown.
    ToolUse.objects.update(first=datetime.now(UTC) - timedelta(days=31))
    CallDay.objects.update(unusual_since=datetime.now(UTC) - timedelta(days=31))
    for path in pages:
        assert "Unusual calls</h2>" not in signed_in("administrator").get(path).content.decode()


def test_who_may_not_read_the_audit_does_not_see_them(signed_in: Page, made: str) -> None:
    agent = client("desktop-app")
    agent.owner = person("charlie")
    agent.save()
    browser = signed_in("developer")
    agent.owner_id = int(browser.session["_auth_user_id"])
    agent.save()
    page = browser.get(f"/console/authz/client/{agent.pk}/change/").content.decode()
    assert "desktop-app" in page
    assert "Unusual calls" not in page
    assert "unusual calls" not in browser.get("/console/").content.decode()


def test_the_home_page_says_how_many_agents_there_are(signed_in: Page, made: str) -> None:
    browser = signed_in("administrator")
    page = browser.get("/console/").content.decode()
    assert "1 agent makes unusual calls of tools" in page
    assert "calls=unusual&amp;period=24h" in page
    ToolUse.objects.update(first=datetime.now(UTC) - timedelta(days=2))
    CallDay.objects.update(unusual_since=datetime.now(UTC) - timedelta(days=2))
    assert "unusual calls" not in browser.get("/console/").content.decode()


def test_the_audit_lists_them_and_says_why(signed_in: Page, made: str) -> None:
    browser = signed_in("auditor")
    assert listed(browser, calls="unusual") == ["Call of search allowed", "Call of erase allowed"]
    page = browser.get("/console/authz/auditevent/", {"calls": "unusual"}).content.decode()
    assert page.count("first use") == 2
    assert "call 4 of a day, of which 3 are usual" in page
    assert listed(browser, calls="unusual", tool="erase", client_id="desktop-app") == ["Call of erase allowed"]
    event = AuditEvent.objects.filter(event="access:call:allowed").latest("id")
    shown = browser.get(f"/console/authz/auditevent/{event.pk}/change/").content.decode()
    assert "call 4 of a day" in shown
    assert "first_use, volume" in shown


def test_the_form_of_a_rule_writes_the_condition(signed_in: Page, gatehouse: World) -> None:
    form: dict[str, Any] = {
        "name": "First use", "effect": "require_approval", "enabled": "on", "clients": "*",
        "grant_types": ["*"], "acts_for": "people", "groups": ["*"], "resources": [NOTES], "scopes": ["*"],
        "unusual": ["first_use", "volume"],
    }  # fmt: skip
    browser = signed_in("administrator")
    answer = browser.post("/console/authz/rule/add/", form)
    assert answer.status_code == 302, answer.content.decode()
    row = Rule.objects.get(name="First use")
    assert row.definition["conditions"] == {"unusual": ["first_use", "volume"]}
    page = browser.get(f"/console/authz/rule/{row.pk}/change/").content.decode()
    assert 'value="first_use" checked' in page.replace(' id="id_unusual_0"', "")
    assert "for the first time" in page
    del form["unusual"]
    browser.post(f"/console/authz/rule/{row.pk}/change/", form)
    row.refresh_from_db()
    assert "conditions" not in row.definition


def test_the_simulator_asks_how_unusual_a_call_is(signed_in: Page, pdp: PDP) -> None:
    rule = {
        "name": "No first uses", "effect": "deny", "clients": ["*"], "groups": ["*"], "resources": [NOTES],
        "scopes": ["*"], "conditions": {"unusual": ["first_use"]},
    }  # fmt: skip
    configure(rule)
    asked = {
        "client_id": "desktop-app", "username": "bob", "resource": NOTES, "grant_type": "authorization_code",
        "scope": "", "tool": "search", "arguments": "{}",
    }  # fmt: skip
    browser = signed_in("administrator")
    for unusual, allowed in (("", False), ("nothing", True), ("first_use", False), ("volume", True)):
        page = browser.get("/console/simulator/", asked | {"unusual": unusual}).content.decode()
        assert (">Allowed" in page, ">Denied" in page) == (allowed, not allowed), unusual
    # A token, for which no call is.
    of_a_token = asked | {"unusual": "first_use", "tool": "", "arguments": ""}
    assert ">Allowed" in browser.get("/console/simulator/", of_a_token).content.decode()
