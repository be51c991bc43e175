"""The precheck of the authorization endpoint: a rejection is cheap, and shows the right page."""

import pytest
from django.db import connection
from django.template import Template
from django.test import Client
from django.test.utils import CaptureQueriesContext

from authz.models import AuditEvent
from cimd import budget
from tests.support.world import World

UNKNOWN = "https://unknown.example.com/client.json"


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No first sight may be fetched any more."""
    monkeypatch.setattr(budget, "FIRST_SIGHTS", budget.Limits(0, 0, 0, 0))


def test_a_flood_of_first_sights_costs_a_few_statements_each_no_session_and_no_drawing(
    gatehouse: World, spent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gatehouse.sign_in("bob")
    gatehouse.browser.get(gatehouse.authorize_url(client_id=UNKNOWN))
    drawn: list[object] = []
    monkeypatch.setattr(Template, "render", lambda *_: drawn.append(1))
    with CaptureQueriesContext(connection) as statements:
        response = gatehouse.browser.get(gatehouse.authorize_url(client_id=f"{UNKNOWN}?2"))
    assert response.status_code == 503
    assert drawn == []
    said = [query["sql"] for query in statements]
    assert len(said) <= 8, said
    assert [sql for sql in said if "session" in sql or "authz_user" in sql] == []


def test_a_request_in_a_flood_waits_and_reloads_by_itself(gatehouse: World, spent: None) -> None:
    response = gatehouse.browser.get(gatehouse.authorize_url(client_id=UNKNOWN))
    page = response.content.decode()
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert '<meta http-equiv="refresh" content="5">' in page
    assert response["X-Request-Id"] in page
    assert AuditEvent.objects.get(reason="cimd_busy").request_id == response["X-Request-Id"]


def test_a_page_that_cannot_go_on_does_not_come_again(gatehouse: World) -> None:
    first, second = (gatehouse.browser.get(gatehouse.authorize_url(client_id=f"nobody-{n}")) for n in range(2))
    assert (first.status_code, second.status_code) == (400, 400)
    assert b"http-equiv" not in first.content
    # One page for all of them, with each one's own reference.
    assert first["X-Request-Id"] in first.content.decode()
    assert second["X-Request-Id"] in second.content.decode()
    assert first["X-Request-Id"] != second["X-Request-Id"]


@pytest.mark.parametrize("method", ["put", "delete", "patch", "head", "options"])
def test_a_method_that_the_endpoint_does_not_know_is_told_which_it_knows(method: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    response = getattr(browser, method)("/o/authorize?client_id=desktop-app")
    assert (response.status_code, response["Allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("client_id", [UNKNOWN, "nobody"])
def test_who_is_stopped_at_the_door_is_as_well_protected_as_anybody(
    gatehouse: World, spent: None, client_id: str
) -> None:
    stopped = gatehouse.browser.get(gatehouse.authorize_url(client_id=client_id))
    signing_in = gatehouse.browser.get("/accounts/login/")
    for header in ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy"):
        assert stopped[header] == signing_in[header]
    assert "frame-ancestors 'none'" in stopped["Content-Security-Policy"]
    assert "no-store" in stopped["Cache-Control"]
    assert "Location" not in stopped


def test_the_door_is_nowhere_else(gatehouse: World) -> None:
    assert gatehouse.browser.get("/o/authorize/").status_code == 404
    assert gatehouse.browser.put(gatehouse.authorize_url(client_id="nobody")).status_code == 405
