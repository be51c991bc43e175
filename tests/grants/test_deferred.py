"""Token requests that wait for an approval: who is told, and the deferred token response
(draft-ietf-oauth-deferred-token-response-01)."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.http import HttpResponse

from authz.approvals import voting
from authz.conf import conf
from authz.endpoints import metadata
from authz.grants.deferred import GRANT_TYPE
from authz.keys import secrets_at_rest
from authz.models import AccessRequest, AuditEvent, Client, Deferral, ProtectedResource, Rule, User
from tests.support.races import at_once
from tests.support.world import NOTES, SECRET, World, basic_header, without_reference

MACHINE = ("nightly-report", SECRET)
OTHER = ("web-app", SECRET)


def body(response: HttpResponse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.content)
    return found


def latest(event: str) -> AuditEvent:
    found = AuditEvent.objects.filter(event=event).order_by("id").last()
    assert found is not None
    return found


def error(response: HttpResponse) -> tuple[int, str]:
    return response.status_code, body(response).get("error", "")


@pytest.fixture
def waiting(gatehouse: World) -> World:
    """Machines have to wait for an approval at Notes."""
    definition = {"clients": ["*"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["mcp:read"]}
    Rule.objects.create(name="Ask a human first", effect="require_approval", definition=definition)
    return gatehouse


def ask(world: World, **params: Any) -> HttpResponse:
    return world.token(basic=MACHINE, grant_type="client_credentials", **params)


def defer(world: World) -> str:
    answer = body(ask(world, completion_mode="deferred"))
    assert answer["error"] == "authorization_pending"
    return str(answer["deferral_code"])


def poll(world: World, code: str, basic: tuple[str, str] = MACHINE) -> HttpResponse:
    # Tests do not wait for the interval; that it is kept has a test of its own.
    Deferral.objects.update(polled=None)
    return world.token(basic=basic, grant_type=GRANT_TYPE, deferral_code=code)


def revoke(world: World, code: str, basic: tuple[str, str] = MACHINE) -> HttpResponse:
    return world.post("revoke", {"token": code}, authorization=basic_header(*basic))


def approver() -> User:
    """No one decides for their own agent, and Alice owns the machine."""
    return User.objects.get_or_create(username="olga", defaults={"role": "administrator"})[0]


def approve() -> None:
    row, now = AccessRequest.objects.get(), datetime.now(UTC)
    ends = now + timedelta(hours=1)
    voting.approve(row, by=approver(), scopes=row.scopes, expires=ends, comment="", now=now)


def deny() -> None:
    voting.deny(AccessRequest.objects.get(), by=approver(), comment="no", now=datetime.now(UTC))


def later(monkeypatch: pytest.MonkeyPatch, delay: float) -> None:
    monkeypatch.setattr("authz.endpoints.token.now", lambda: time.time() + delay)


# --- Who is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "client", "mode", "answer"),
    [
        ("always", "", None, "authorization_pending"),
        ("always", "", "", "authorization_pending"),
        ("always", "", "immediate", "authorization_pending"),
        ("always", "always", None, "authorization_pending"),
        ("always", "on_request", None, "invalid_scope"),
        ("always", "on_request", "immediate", "invalid_scope"),
        ("always", "on_request", "deferredly", "invalid_scope"),
        ("on_request", "", None, "invalid_scope"),
        ("on_request", "on_request", None, "invalid_scope"),
        ("on_request", "always", None, "authorization_pending"),
        ("on_request", "", "deferred", "deferral_code"),
        ("on_request", "on_request", "deferred", "deferral_code"),
        ("always", "", "deferred", "deferral_code"),
        ("always", "", "immediate deferred", "deferral_code"),
        ("always", "always", " deferred  other ", "deferral_code"),
    ],
)
def test_who_is_told_that_a_request_waits(
    waiting: World, server: str, client: str, mode: str | None, answer: str
) -> None:
    ProtectedResource.objects.update(pending_answer=server)
    Client.objects.filter(client_id=MACHINE[0]).update(pending_answer=client)

    response = ask(waiting, **({} if mode is None else {"completion_mode": mode}))

    said = body(response)
    assert response.status_code == 400
    assert ("deferral_code" if "deferral_code" in said else said["error"]) == answer
    # In both cases it can be approved, and the audit tells the operator that it waits.
    assert AccessRequest.objects.get().status == "open"
    recorded = AuditEvent.objects.get(event="token:access:refused")
    assert recorded.reason == {"invalid_scope": "client_waits"}.get(answer, "approval_pending")


def test_a_plain_refusal_says_nothing_of_the_access_request(waiting: World) -> None:
    ProtectedResource.objects.update(pending_answer="on_request")

    said = body(ask(waiting))

    # The reference is the request's own; where it waits is not said.
    assert said.pop("error_uri").rpartition("=")[0] == f"{conf.origin}/console/find/?q"
    assert said == {
        "error": "invalid_scope",
        "error_description": "The requested scopes need an approval that was not given yet.",
    }
    approve()
    assert ask(waiting).status_code == 200


def test_a_persons_plain_refusal_is_the_one_that_a_denied_person_gets(waiting: World) -> None:
    ProtectedResource.objects.update(pending_answer="on_request")
    code = waiting_code(waiting)

    refused = waiting.redeem(code, client_id=None, basic=OTHER)

    assert error(refused) == (400, "invalid_grant")
    assert "access_request" not in body(refused)
    assert latest("token:access:refused").reason == "subject_waits"


def waiting_code(world: World) -> str:
    """A code whose consent came before the rule that wants an approval."""
    rule = Rule.objects.get(name="Ask a human first")
    Rule.objects.filter(pk=rule.pk).update(enabled=False)
    code = world.authorize(client_id=OTHER[0])["code"]
    definition = rule.definition | {"groups": ["*"]}
    Rule.objects.filter(pk=rule.pk).update(enabled=True, definition=definition)
    return code


# --- The deferred response ------------------------------------------------------------------------------------------


def test_a_deferred_request_is_answered_by_its_code_once_it_is_approved(waiting: World) -> None:
    deferred = ask(waiting, completion_mode="deferred", scope="mcp:read")
    answer = body(deferred)
    assert deferred.status_code == 400
    assert deferred["Cache-Control"] == "no-store"
    assert set(answer) == {
        "error", "error_description", "access_request", "error_uri", "deferral_code", "expires_in", "interval",
    }  # fmt: skip
    # A day from when the request was opened, which may be the second before.
    assert answer["expires_in"] in {86_399, 86_400}
    assert answer["interval"] == 5
    assert len(answer["deferral_code"]) == 43

    still = poll(waiting, answer["deferral_code"])
    assert error(still) == (400, "authorization_pending")
    # > such responses reference the established `deferral_code` and do not repeat it
    assert not {"deferral_code", "interval", "expires_in"} & set(body(still))

    approve()
    token = body(poll(waiting, answer["deferral_code"]))
    assert token["scope"] == "mcp:read"
    again = poll(waiting, answer["deferral_code"])
    assert error(again) == (400, "invalid_grant")
    assert body(again)["error_description"] == "The deferral code was redeemed already."
    assert [row.event for row in AuditEvent.objects.filter(event__startswith="token:deferral").order_by("id")] == [
        "token:deferral:issued",
        "token:deferral:redeemed",
    ]


def test_a_poll_meets_a_rule_that_has_changed(waiting: World) -> None:
    code = defer(waiting)
    Rule.objects.filter(name="Ask a human first").delete()
    assert poll(waiting, code).status_code == 200


@pytest.mark.parametrize("how", ["denied", "withdrawn", "rule", "grant", "suspended", "resource"])
def test_a_request_that_can_succeed_no_more_is_denied(waiting: World, how: str) -> None:
    code = defer(waiting)
    if how == "denied":
        deny()
    elif how == "withdrawn":
        voting.cancel(AccessRequest.objects.get(), by=approver(), now=datetime.now(UTC))
    elif how == "rule":
        Rule.objects.exclude(name="Ask a human first").delete()
        Rule.objects.all().delete()
    elif how == "grant":
        Client.objects.filter(client_id=MACHINE[0]).update(grant_types=["authorization_code"])
    elif how == "resource":
        ProtectedResource.objects.filter(identifier=NOTES).update(is_active=False)
    else:
        Client.objects.filter(client_id=MACHINE[0]).update(status="suspended")
        assert error(poll(waiting, code)) == (400, "unauthorized_client")
        return
    assert error(poll(waiting, code)) == (400, "access_denied")
    assert Deferral.objects.get().outcome == "denied"
    assert latest("token:deferral:ended").detail["outcome"] == "denied"
    # It has ended, whatever changes afterwards.
    Rule.objects.all().delete()
    assert error(poll(waiting, code)) == (400, "access_denied")
    assert AccessRequest.objects.count() == 1


@pytest.mark.parametrize("code", ["", "x", "Zm9v", "a" * 43, "a" * 5000, "’"])
def test_a_code_that_is_none(waiting: World, code: str) -> None:
    defer(waiting)
    expected = "invalid_grant" if code else "invalid_request"
    assert error(poll(waiting, code)) == (400, expected)


def test_another_clients_code_is_like_one_that_is_none(waiting: World) -> None:
    code = defer(waiting)
    approve()
    assert without_reference(poll(waiting, code, basic=OTHER)) == without_reference(
        poll(waiting, "a" * 43, basic=OTHER)
    )
    assert poll(waiting, code).status_code == 200


def test_a_code_expires(waiting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    code = defer(waiting)
    approve()
    later(monkeypatch, 86_401)
    assert error(poll(waiting, code)) == (400, "expired_token")


def test_a_client_that_asks_too_often_is_slowed_down(waiting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    code = defer(waiting)
    approve()
    Deferral.objects.update(polled=datetime.now(UTC))
    ask_again = {"grant_type": GRANT_TYPE, "deferral_code": code}
    assert error(waiting.token(basic=MACHINE, **ask_again)) == (400, "slow_down")
    later(monkeypatch, 5)
    assert waiting.token(basic=MACHINE, **ask_again).status_code == 200


def test_a_request_sent_again_has_the_same_code(waiting: World) -> None:
    assert defer(waiting) == defer(waiting)
    assert Deferral.objects.count() == 1
    # Another request has another one.
    assert body(ask(waiting, completion_mode="deferred", scope="mcp:read"))["deferral_code"] != defer(waiting)


def test_a_client_cannot_fill_the_table(waiting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authz.tokens.deferrals.MOST_WAITING", 1)
    defer(waiting)
    assert error(ask(waiting, completion_mode="deferred", scope="mcp:read")) == (429, "temporarily_unavailable")


def test_public_clients_are_not_deferred(waiting: World) -> None:
    """> A client that is a public client […] MUST present a DPoP proof on the initial token request"""
    code = waiting_code(waiting)
    Client.objects.filter(client_id=OTHER[0]).update(token_endpoint_auth_method="none", pending_answer="on_request")
    refused = waiting.redeem(code, client_id=OTHER[0], completion_mode="deferred")
    assert error(refused) == (400, "invalid_grant")
    assert not Deferral.objects.exists()


def test_a_client_that_becomes_public_loses_its_code(waiting: World) -> None:
    code = defer(waiting)
    approve()
    Client.objects.filter(client_id=MACHINE[0]).update(token_endpoint_auth_method="none")
    refused = waiting.token(client_id=MACHINE[0], grant_type=GRANT_TYPE, deferral_code=code)
    assert error(refused) == (400, "invalid_grant")


def test_a_code_and_its_request_are_at_rest_as_digest_and_ciphertext(waiting: World) -> None:
    code = defer(waiting)
    row = Deferral.objects.get()
    assert code not in row.code_digest
    assert code.encode() not in bytes(row.sealed)
    assert b"client_credentials" not in bytes(row.sealed)


def test_what_is_sealed_moves_with_the_secret_key(waiting: World, settings: Any) -> None:
    from authz.keys import reencryption

    code = defer(waiting)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another-secret-key-" + "x" * 40
    reencryption.run()
    settings.SECRET_KEY_FALLBACKS = []
    approve()
    assert poll(waiting, code).status_code == 200


def test_under_a_key_that_is_gone_a_code_is_unknown(waiting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    code = defer(waiting)
    approve()

    def gone(*args: Any, **kwargs: Any) -> bytes:
        raise secrets_at_rest.WrongKeyError

    monkeypatch.setattr("authz.keys.secrets_at_rest.decrypt", gone)
    assert error(poll(waiting, code)) == (400, "invalid_grant")


@pytest.mark.django_db(transaction=True)
def test_of_many_polls_at_once_one_gets_the_token(waiting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    code = defer(waiting)
    approve()
    monkeypatch.setattr("authz.tokens.deferrals.INTERVAL", 0)
    answers = at_once([lambda: poll(World(), code)] * 4)
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert {error(answer)[1] for answer in answers} <= {"", "invalid_grant", "slow_down"}
    assert AuditEvent.objects.filter(event="token:access:issued").count() == 1


# --- Cancellation ---------------------------------------------------------------------------------------------------


def test_a_cancelled_request_is_denied(waiting: World) -> None:
    code = defer(waiting)
    assert revoke(waiting, code).status_code == 200
    approve()
    assert error(poll(waiting, code)) == (400, "access_denied")
    assert latest("token:deferral:ended").detail["outcome"] == "cancelled"
    # > the revocation endpoint is idempotent
    assert revoke(waiting, code).status_code == 200
    assert AuditEvent.objects.filter(event="token:deferral:ended").count() == 1


def test_another_client_cancels_nothing(waiting: World) -> None:
    code = defer(waiting)
    approve()
    assert revoke(waiting, code, basic=OTHER).status_code == 200
    assert poll(waiting, code).status_code == 200


def test_cancelling_what_was_redeemed_leaves_the_token(waiting: World) -> None:
    code = defer(waiting)
    approve()
    token = body(poll(waiting, code))["access_token"]
    revoke(waiting, code)
    assert waiting.introspect(token)["active"] is True


def test_the_metadata_says_so(gatehouse: World) -> None:
    told = json.loads(gatehouse.browser.get(f"/{metadata.addresses()[0]}").content)
    assert told["deferred_token_response_supported"] is True
    assert GRANT_TYPE in told["grant_types_supported"]
    assert told["revocation_endpoint_token_type_values_supported"] == ["urn:ietf:params:oauth:token-type:deferral-code"]


def test_housekeeping_removes_what_expired(waiting: World) -> None:
    from authz.operations import housekeeping

    defer(waiting)
    ended = datetime.now(UTC) - timedelta(days=2)
    Deferral.objects.update(expires=ended)
    housekeeping.run()
    assert not Deferral.objects.exists()
    assert User.objects.exists()
