"""The intake: calls that other servers decided, marked as reported by them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from authz.database import clocks, replay
from authz.models import AuditEvent, UsedAssertion
from tests.decision_point.conftest import PDP, call, configure
from tests.support import world
from tests.support.world import NOTES, SERVER_SECRET, World, claims


def reported(key: str, token: str = "", *, decision: bool = True, **arguments: Any) -> dict[str, Any]:
    subject = {"type": "token", "id": token} if token else {"type": "identity", "id": "sub-1"}
    return {
        **call("x", "search", arguments),
        "subject": subject,
        "context": {"agent": "desktop-app"},
        "id": key,
        "time": datetime.now(UTC).isoformat(),
        "decision": decision,
    }


def report(pdp: PDP, *events: dict[str, Any]) -> dict[str, Any]:
    answer = pdp.post("events", {"events": list(events)})
    assert answer.status_code == 202, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_what_is_recorded(gatehouse: World, pdp: PDP) -> None:
    configure(shown_arguments=["q"])
    token = gatehouse.signed_in_tokens()["access_token"]
    assert report(pdp, reported("1", token, q="invoices", name="canary"), reported("2", decision=False)) == {
        "accepted": 2,
        "known": 0,
    }
    by_token, by_claims = AuditEvent.objects.filter(event="access:call:reported").order_by("id")
    assert by_token.detail["reported_by"] == "notes-server"
    assert by_token.detail["decision"] is True
    assert by_token.detail["shown"] == {"q": "invoices"}
    assert "canary" not in json.dumps(by_token.detail)
    assert (by_token.client_id, by_token.subject, by_token.resource) == ("desktop-app", claims(token)["sub"], NOTES)
    assert (by_claims.client_id, by_claims.subject, by_claims.resource) == ("desktop-app", "sub-1", NOTES)
    assert by_claims.detail["decision"] is False
    # Nothing that was reported looks as if it had been decided here.
    assert "rules" not in by_claims.detail and by_claims.reason == ""


def test_an_event_that_comes_again_is_known(pdp: PDP) -> None:
    first = reported("1")
    assert report(pdp, first, first, reported("2")) == {"accepted": 2, "known": 1}
    assert report(pdp, first, reported("3"))["known"] == 1
    assert AuditEvent.objects.filter(event="access:call:reported").count() == 3
    # Its id is its reporter's.
    configure(decision_clients=["notes-server", "payroll-server"])
    answer = pdp.post("events", {"events": [first]}, ("payroll-server", SERVER_SECRET))
    assert answer.json() == {"accepted": 1, "known": 0}


def test_an_event_that_may_have_been_forgotten_is_not_recorded_again(pdp: PDP) -> None:
    """Housekeeping on a node whose clock is ahead removed what it had used; this node's clock is behind (attack 45)."""
    old = reported("1") | {"time": (datetime.now(UTC) - timedelta(days=6)).isoformat()}
    assert report(pdp, old)["accepted"] == 1
    clocks.mark_removed(replay.REMOVED, datetime.now(UTC) + timedelta(days=2))
    UsedAssertion.objects.all().delete()
    assert report(pdp, old, reported("2")) == {"accepted": 1, "known": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "x" * 201},
        {"id": 5},
        {"decision": "true"},
        {"decision": None},
        {"time": "2020-01-01T00:00:00Z"},
        {"time": (datetime.now(UTC) + timedelta(hours=1)).isoformat()},
        {"time": "2026-11-30T12:00:00"},
        {"time": 5},
        {"subject": "x"},
        {"resource": {"type": "tool", "id": "x", "properties": {"server": world.PAYROLL}}},
        {"subject": {"type": "token", "id": "nonsense"}, "resource": {"type": "mcp_server", "id": "https://x/"}},
    ],
)
def test_a_batch_with_one_that_is_wrong_is_refused_as_a_whole(pdp: PDP, changes: dict[str, Any]) -> None:
    """Also one that names the MCP server of another: no one writes into its story."""
    answer = pdp.post("events", {"events": [reported("1"), reported("2") | changes]})
    assert answer.status_code == 400, answer.content
    assert not AuditEvent.objects.filter(event="access:call:reported").exists()
    assert report(pdp, reported("1"))["accepted"] == 1


@pytest.mark.parametrize("events", [[], "x", None, [5], [{}] * 201])
def test_the_batch_is_bounded(pdp: PDP, events: Any) -> None:
    assert pdp.post("events", {"events": events}).status_code == 400


def test_a_batch_of_a_hundred(pdp: PDP) -> None:
    assert report(pdp, *(reported(str(n)) for n in range(100)))["accepted"] == 100
    assert AuditEvent.objects.filter(event="access:call:reported").count() == 100


def test_callers_authenticate(pdp: PDP) -> None:
    assert pdp.post("events", {"events": [reported("1")]}, None).status_code == 401
    assert pdp.post("events", {"events": [reported("1")]}, ("nightly-report", world.SECRET)).status_code == 403
