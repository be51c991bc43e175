"""Calls of tools in the audit explorer: by tool, by label, decided here or reported; of an agent, server or person."""

import html
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from authz.audit import calls, queries
from authz.models import ProtectedResource
from tests.audit.test_indexes import events, plan
from tests.console.conftest import Page
from tests.decision_point.conftest import PDP, configure, pdp
from tests.decision_point.test_events import report, reported
from tests.support.world import NOTES, World, client, person

__all__ = ["events", "pdp"]

LIST = "/console/authz/auditevent/"
NO_PAYMENTS = {
    "name": "No payments", "effect": "deny", "clients": ["*"], "groups": ["*"], "resources": [NOTES], "scopes": ["*"],
    "tools": ["pay_out"],
}  # fmt: skip


@pytest.fixture
def made(gatehouse: World, pdp: PDP) -> str:
    """Three calls: one allowed, one denied, one reported. The person's subject."""
    configure(NO_PAYMENTS, tools=[{"name": "search"}, {"name": "pay_out", "labels": ["pii", "payroll"]}])
    token = gatehouse.signed_in_tokens()["access_token"]
    assert pdp.call(token, "search", q="x")["decision"] is True
    assert pdp.call(token, "pay_out", amount=3)["decision"] is False
    report(pdp, reported("1", token, decision=False))
    return str(person("bob").subject)


def listed(browser: Browser, **asked: str) -> list[str]:
    """The sentences of the list's rows, the oldest first."""
    page = browser.get(LIST, asked).content.decode()
    found = re.findall(r"(Call of .*?) <code", page)
    told = [re.sub(r'<span class="chip.*', "", sentence) for sentence in found]
    return [html.unescape(re.sub(r"<[^>]+>", "", sentence)).strip() for sentence in reversed(told)]


ALLOWED, DENIED, REPORTED = (
    "Call of search allowed", "Call of pay_out denied", "Call of search denied, reported by notes-server"
)  # fmt: skip


@pytest.mark.parametrize(("asked", "sentences"), [
    ({"calls": "all"}, [ALLOWED, DENIED, REPORTED]),
    ({"calls": "decided"}, [ALLOWED, DENIED]),
    ({"calls": "reported"}, [REPORTED]),
    ({"tool": "search"}, [ALLOWED, REPORTED]),
    ({"tool": "search", "calls": "decided"}, [ALLOWED]),
    ({"label": "pii"}, [DENIED]),
    ({"label": "pi"}, []),
    ({"q": "tool:search client:desktop-app"}, [ALLOWED, REPORTED]),
    ({"q": "label:payroll"}, [DENIED]),
    ({"calls": "all", "outcome": "refused"}, [DENIED]),
    ({"calls": "all", "client_id": "nightly-report"}, []),
    ({"calls": "all", "resource": NOTES, "tool": "never_seen"}, []),
])  # fmt: skip
def test_calls_are_filtered_and_told_in_sentences(
    signed_in: Page, made: str, asked: dict[str, str], sentences: list[str]
) -> None:
    assert listed(signed_in("auditor"), **asked) == sentences


def test_the_pages_of_an_agent_a_server_and_a_person_lead_to_their_calls(signed_in: Page, made: str) -> None:
    browser: Any = signed_in("administrator")
    server = ProtectedResource.objects.get(identifier=NOTES)
    for kind, row in (("client", client("desktop-app")), ("protectedresource", server), ("user", person("bob"))):
        page = browser.get(reverse(f"admin:authz_{kind}_change", args=[row.pk])).content.decode()
        [address] = re.findall(rf'href="{LIST}\?([^"]+)">Calls</a>', page)
        shown = browser.get(f"{LIST}?{html.unescape(address)}").context["cl"].result_list
        assert [event.event for event in shown] == [
            "access:call:reported", "access:call:denied", "access:call:allowed"
        ], kind  # fmt: skip


def test_who_may_not_read_the_audit_has_no_link_to_calls(signed_in: Page, gatehouse: World) -> None:
    page = signed_in("developer").get(reverse("admin:authz_client_change", args=[client("desktop-app").pk]))

    assert ">Calls</a>" not in page.content.decode()


def test_a_history_tells_the_calls_of_two_tools_apart(signed_in: Page, made: str) -> None:
    page = signed_in("auditor").get(reverse("admin:story"), {"subject": made}).content.decode()

    for tool in ("search", "pay_out"):
        assert f"Call of <bdi>{tool}</bdi>" in page


def test_attack_a_tools_name_is_text_and_no_markup(signed_in: Page, gatehouse: World, pdp: PDP) -> None:
    event = reported("1") | {"resource": {"type": "tool", "id": "<script>alert(1)</script>"}}
    report(pdp, event)
    page = signed_in("auditor").get(LIST, {"calls": "all"}).content.decode()

    assert "<script>alert(1)" not in page
    assert "Call of <bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>" in page


@pytest.mark.parametrize("asked", [
    {"calls": "all"}, {"calls": "reported"}, {"tool": "search"}, {"label": "pii"}, {"q": "label:pii"},
    {"calls": "all", "resource": NOTES}, {"tool": "search", "event": "access:call:reported"},
])  # fmt: skip
def test_calls_that_no_index_finds_are_looked_for_in_a_window(
    signed_in: Page, made: str, asked: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in("auditor")
    monkeypatch.setattr(queries, "WINDOW", 2)
    with CaptureQueriesContext(connection) as captured:
        page = browser.get(LIST, asked).content.decode()

    assert "No index answers this search, so 2 events were read" in page
    reads = [one["sql"] for one in captured if '"authz_auditevent"."event" IN' in one["sql"]]
    assert reads
    assert all('"authz_auditevent"."id" >' in sql for sql in reads)


def test_an_agents_and_a_persons_calls_are_found_by_an_index(events: None) -> None:
    # PostgreSQL takes the index of events instead where there are few calls at all.
    for column, value in (("client", "agent-17"), ("subject", "person-17")):
        found = plan(calls.made(queries.about({"client": "client_id"}.get(column, column), value)))
        assert f"authz_audit_{column}" in found or ("authz_audit_event" in found and connection.vendor == "postgresql")
