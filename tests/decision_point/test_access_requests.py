"""A call that a person has to approve: held, asked about, approved, and made once."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from authz.approvals import voting
from authz.models import AccessRequest, AuditEvent
from tests.decision_point.conftest import PDP, SERVER, call, configure
from tests.support import world
from tests.support.world import NOTES, SERVER_SECRET, World

REVIEW: dict[str, Any] = {
    "name": "People review payments",
    "effect": "require_approval",
    "clients": ["*"],
    "groups": ["engineering"],
    "grant_types": ["authorization_code"],
    "resources": [NOTES],
    "scopes": ["*"],
    "tools": ["pay_*"],
    "approvers": {"users": ["alice"]},
}
PAYMENT = {"to": "DE12", "amount": 250, "note": "rent"}


@pytest.fixture
def held(gatehouse: World, pdp: PDP) -> tuple[PDP, str]:
    """The decision point where payments are reviewed, and Bob's token."""
    configure(REVIEW, shown_arguments=["to", "amount"])
    return pdp, gatehouse.signed_in_tokens()["access_token"]


def submit(pdp: PDP, body: dict[str, Any], answer: dict[str, Any], basic: tuple[str, str] = SERVER) -> Any:
    hint = answer["context"]["access_request"]
    assert hint["endpoint"].endswith("/access/v1/requests")
    denial = {"binding_token": hint["binding_token"], "expires_at": hint["expires_at"]}
    return pdp.post("requests", {**body, "denial": denial}, basic)


def approve(request: AccessRequest, *, once: bool = True) -> None:
    now = datetime.now(UTC)
    voting.approve(
        request,
        by=world.person("alice"),
        scopes=request.scopes,
        expires=now + timedelta(hours=1),
        comment="",
        now=now,
        once=once,
    )


def requested(pdp: PDP, token: str, **arguments: Any) -> AccessRequest:
    body = call(token, "pay_out", arguments or PAYMENT)
    answer = submit(pdp, body, pdp.ask(body))
    assert answer.status_code == 202, answer.content
    return AccessRequest.objects.get(pk=answer.json()["task"]["id"])


def test_the_whole_way(held: tuple[PDP, str]) -> None:
    pdp, token = held
    assert pdp.call(token, "search", q="x")["decision"] is True
    body = call(token, "pay_out", PAYMENT)
    answer = pdp.ask(body)
    assert (answer["decision"], answer["context"]["reason"]) == (False, "call_waits")
    task = submit(pdp, body, answer).json()["task"]
    assert task["status"] == "pending"
    request = AccessRequest.objects.get(pk=task["id"])
    first_use = {"unusual": ["first_use"]}
    assert request.call == {"tool": "pay_out", "labels": [], "shown": {"to": "DE12", "amount": 250}} | first_use
    assert request.context["evaluation"] == answer["context"]["evaluation_id"]
    # Asked about again, it is the same request.
    assert submit(pdp, body, pdp.ask(body)).json()["task"]["id"] == task["id"]
    approve(request)
    state = pdp.browser.get(f"/o/access/v1/requests/{task['id']}", headers={"authorization": basic()}).json()
    assert state["task"]["status"] == "approved"
    assert state["result"]["mode"] == "reevaluate"
    # Other arguments, another tool, a number beside it: the approval is for none of them.
    for changed in ({"to": "DE13"}, {"amount": 250.5}, {"amount": "250"}, {"note": "rent "}, {"more": None}):
        assert pdp.ask(call(token, "pay_out", PAYMENT | changed))["decision"] is False
    assert pdp.ask(call(token, "pay_in", PAYMENT))["decision"] is False
    # The same call passes, however its members are ordered, and once.
    again = call(token, "pay_out", dict(reversed(PAYMENT.items())) | {"amount": 250.0})
    assert pdp.ask(again)["decision"] is True
    assert pdp.ask(again)["decision"] is False
    request.refresh_from_db()
    assert request.used is not None
    event = AuditEvent.objects.get(event="access:call:allowed", detail__tool="pay_out")
    assert event.detail["approvals"] == [str(request.pk)]


def basic() -> str:
    return world.basic_header(*SERVER)


def test_an_approval_for_a_while(held: tuple[PDP, str]) -> None:
    pdp, token = held
    approve(requested(pdp, token), once=False)
    for _ in range(3):
        assert pdp.ask(call(token, "pay_out", PAYMENT))["decision"] is True
    assert pdp.ask(call(token, "pay_out", PAYMENT | {"amount": 251}))["decision"] is False


def test_an_approval_of_a_call_is_none_of_a_token(held: tuple[PDP, str], gatehouse: World) -> None:
    """The rule has the same name when it speaks of all tokens, and asks anew."""
    pdp, token = held
    approve(requested(pdp, token), once=False)
    configure(REVIEW | {"tools": None})
    gatehouse.sign_in("bob")
    assert b"This needs an approval" in gatehouse.browser.get(gatehouse.authorize_url()).content
    assert pdp.ask(call(token, "pay_out", PAYMENT))["context"]["reason"] == "token_not_live"


def test_without_arguments_no_one_can_be_asked(held: tuple[PDP, str]) -> None:
    pdp, token = held
    answer = pdp.ask(call(token, "pay_out", None))
    assert answer["decision"] is False
    assert "access_request" not in answer["context"]


def test_a_request_that_belongs_to_no_denial(held: tuple[PDP, str]) -> None:
    """Replay: the denial of one call, submitted with another one, by another agent, or too late."""
    pdp, token = held
    body = call(token, "pay_out", PAYMENT)
    answer = pdp.ask(body)
    for other in (
        call(token, "pay_out", PAYMENT | {"amount": 251}),
        call(token, "pay_in", PAYMENT),
        call(token, "search", PAYMENT),
    ):
        refused = submit(pdp, other, answer)
        assert refused.status_code == 400
        assert refused.json()["type"].endswith("invalid_denial_binding")
    for denial in ({}, {"binding_token": "a.b.c"}, {"binding_token": ""}, {"binding_token": 5}, "x"):
        assert pdp.post("requests", {**body, "denial": denial}).status_code == 400
    assert not AccessRequest.objects.exists()
    assert AuditEvent.objects.filter(event="access:decision:refused", reason="denial_binding_wrong").count() == 8


def test_a_denial_that_is_too_old(held: tuple[PDP, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from authz.endpoints.decision_point import decided

    pdp, token = held
    monkeypatch.setattr(decided, "REQUESTABLE_FOR", timedelta(seconds=-1))
    body = call(token, "pay_out", PAYMENT)
    assert submit(pdp, body, pdp.ask(body)).status_code == 400


def test_another_servers_caller_sees_no_request(held: tuple[PDP, str]) -> None:
    from authz.configuration import apply

    pdp, token = held
    request = requested(pdp, token)
    payroll = f"identifier: {world.PAYROLL}, name: Payroll, decision_clients: [payroll-server]"
    apply(f'resources: [{{{payroll}, scopes: [{{name: "payroll:read"}}]}}]')
    theirs = world.basic_header("payroll-server", SERVER_SECRET)
    seen = pdp.browser.get(f"/o/access/v1/requests/{request.pk}", headers={"authorization": theirs})
    assert seen.status_code == 404
    mine = pdp.browser.post(f"/o/access/v1/requests/{request.pk}", headers={"authorization": basic()})
    assert mine.status_code == 400  # not JSON


def test_a_denied_call_is_denied(held: tuple[PDP, str]) -> None:
    pdp, token = held
    request = requested(pdp, token)
    voting.deny(request, by=world.person("alice"), comment="No.", now=datetime.now(UTC))
    answer = pdp.ask(call(token, "pay_out", PAYMENT))
    assert (answer["decision"], answer["context"]["reason"]) == (False, "call_denied")
    # That says nothing about other calls.
    assert pdp.ask(call(token, "pay_out", PAYMENT | {"amount": 1}))["context"]["reason"] == "call_waits"


def test_an_ended_approval_does_not_count(held: tuple[PDP, str]) -> None:
    pdp, token = held
    request = requested(pdp, token)
    approve(request, once=False)
    voting.cancel(request, by=world.person("alice"), now=datetime.now(UTC))
    assert pdp.ask(call(token, "pay_out", PAYMENT))["decision"] is False


def test_personal_data_is_in_no_event_and_no_request(held: tuple[PDP, str]) -> None:
    canary = "canary-2b8e71"
    pdp, token = held
    request = requested(pdp, token, to="DE12", amount=1, note=canary, deep={"name": canary})
    stored = json.dumps([list(AuditEvent.objects.values()), list(AccessRequest.objects.values())], default=str)
    assert str(request.pk) in stored
    assert canary not in stored


@pytest.mark.django_db(transaction=True)
def test_of_many_equal_calls_at_once_one_passes(committed_gatehouse: World) -> None:
    configure(REVIEW)
    pdp = PDP(committed_gatehouse.browser)
    token = committed_gatehouse.signed_in_tokens()["access_token"]
    approve(requested(pdp, token))

    def make() -> bool:
        try:
            return bool(PDP(World().browser).ask(call(token, "pay_out", PAYMENT))["decision"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: make(), range(8)))
    assert made.count(True) == 1
    assert AuditEvent.objects.filter(event="access:call:allowed").count() == 1
