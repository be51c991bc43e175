"""Attack 32: the audit cannot be written, grows without limit, or records secrets."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.http import HttpResponse

from authz import audit
from authz.limits import refusal_sampling
from authz.models import AuditEvent, Authorization, AuthorizationCode, Consent, UsedAssertion
from tests.support import world
from tests.support.assertions import client_assertion
from tests.support.world import SECRET, World, basic_header, without_reference


@contextmanager
def audit_table_gone() -> Iterator[None]:
    """The audit's table is not where it was: every INSERT into it fails."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE authz_auditevent RENAME TO authz_auditevent_away")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE authz_auditevent_away RENAME TO authz_auditevent")


def unavailable(response: HttpResponse) -> bool:
    assert response["Content-Type"] == "application/json"
    assert response["Retry-After"]
    answer = json.loads(response.content)
    return response.status_code == 503 and answer["error"] == "temporarily_unavailable" and "access_token" not in answer


class TestNoTokenWithoutItsRecord:
    def test_a_machine_gets_nothing(self, committed_gatehouse: World) -> None:
        with audit_table_gone():
            assert unavailable(
                committed_gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials")
            )
        assert AuditEvent.objects.filter(event="token:access:issued").count() == 0
        assert committed_gatehouse.machine_token()["access_token"]

    def test_a_code_is_neither_redeemed_nor_burnt(self, committed_gatehouse: World) -> None:
        code = committed_gatehouse.authorize()["code"]
        with audit_table_gone():
            assert unavailable(committed_gatehouse.redeem(code))
        assert Authorization.objects.count() == 0
        assert AuthorizationCode.objects.get().used is None
        assert committed_gatehouse.redeem(code).status_code == 200

    def test_a_refresh_token_is_not_rotated(self, committed_gatehouse: World) -> None:
        refresh_token = committed_gatehouse.signed_in_tokens()["refresh_token"]
        with audit_table_gone():
            assert unavailable(committed_gatehouse.refresh(refresh_token))
        assert Authorization.objects.get().generation == 0
        assert committed_gatehouse.refresh(refresh_token).status_code == 200

    def test_a_consent_leads_to_no_code(self, committed_gatehouse: World) -> None:
        committed_gatehouse.sign_in("bob")
        committed_gatehouse.browser.raise_request_exception = False
        url = committed_gatehouse.authorize_url()
        page = committed_gatehouse.browser.get(url)
        with audit_table_gone():
            response = committed_gatehouse.press(url, page, allow="true")
        assert response.status_code >= 500
        assert "Location" not in response
        assert Consent.objects.count() == AuthorizationCode.objects.count() == 0

    def test_introspection_and_revocation_say_nothing(self, committed_gatehouse: World) -> None:
        tokens = committed_gatehouse.signed_in_tokens()
        with audit_table_gone():
            headers = {"authorization": basic_header("notes-server", world.SERVER_SECRET)}
            assert unavailable(committed_gatehouse.post("introspect", {"token": tokens["access_token"]}, **headers))
            revocation = {"token": tokens["refresh_token"], "client_id": "desktop-app"}
            assert unavailable(committed_gatehouse.post("revoke", revocation))
        assert Authorization.objects.get().revoked is None  # so the client knows that it must try again
        assert committed_gatehouse.introspect(tokens["access_token"])["active"] is True

    def test_a_right_guess_looks_like_a_wrong_one(self, committed_gatehouse: World) -> None:
        with audit_table_gone():
            answers = [
                committed_gatehouse.token(basic=credentials, grant_type="client_credentials")
                for credentials in (
                    ("nightly-report", SECRET),
                    ("nightly-report", "wrong" * 10),
                    ("nobody", "wrong" * 10),
                )
            ]
        assert all(unavailable(answer) for answer in answers)
        assert len({without_reference(answer) for answer in answers}) == 1

    def test_a_refused_person_gets_an_answer_and_not_a_crash(self, committed_gatehouse: World) -> None:
        with audit_table_gone():
            page = committed_gatehouse.browser.get(committed_gatehouse.authorize_url(client_id="nobody"))
            back = committed_gatehouse.browser.get(committed_gatehouse.authorize_url(response_type="token"))
        assert page.status_code == 503
        assert world.redirect_parameters(back)["error"] == "temporarily_unavailable"

    def test_the_jti_of_a_request_that_got_nothing_stays_used(self, committed_gatehouse: World) -> None:
        # The assertion is used up; the client makes a new one for its next try.
        with audit_table_gone():
            assert unavailable(committed_gatehouse.token(grant_type="client_credentials", **client_assertion()))
        assert UsedAssertion.objects.count() == 1


class TestGrowth:
    def test_an_unknown_client_cannot_grow_it_without_limit(
        self, gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refusal_sampling, "BURST", 5.0)
        monkeypatch.setattr(refusal_sampling, "RATE", 0.0)
        refusal_sampling.reset()
        for _ in range(12):
            assert gatehouse.token(grant_type="client_credentials", client_id="nobody").status_code == 401
        assert AuditEvent.objects.filter(event="token:access:refused").count() == 5

    def test_left_out_refusals_are_counted(self, gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(refusal_sampling, "BURST", 1.0)
        monkeypatch.setattr(refusal_sampling, "RATE", 0.0)
        refusal_sampling.reset()
        for _ in range(4):
            gatehouse.token(grant_type="client_credentials", client_id="nobody")
        monkeypatch.setattr(refusal_sampling, "RATE", 1e9)
        gatehouse.token(grant_type="client_credentials", client_id="nobody")
        assert AuditEvent.objects.order_by("id").last().detail["left_out"] == 3  # type: ignore[union-attr]

    def test_issued_tokens_are_recorded_after_any_number_of_refusals(
        self, gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refusal_sampling, "BURST", 0.0)
        monkeypatch.setattr(refusal_sampling, "RATE", 0.0)
        refusal_sampling.reset()
        gatehouse.machine_token()
        assert AuditEvent.objects.filter(event="token:access:issued").count() == 1

    def test_one_record_is_bounded_however_much_was_sent(self, gatehouse: World) -> None:
        gatehouse.token(grant_type="client_credentials", client_id="x" * 60_000)
        event = AuditEvent.objects.get(event="token:access:refused")
        assert len(event.client_id) == 1024


HOSTILE = [
    "line one\nline two token:access:issued",
    "carriage\rreturn",
    '=HYPERLINK("https://evil.example/","click")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "CEF:0|evil|evil|1|1|login|0|act=allowed",
    'quote" and \\backslash',
    "\u202eesrever",
    "\ufeff\u200b",
    "<script>alert(1)</script>",
    "'; DROP TABLE authz_auditevent; --",
    "%s %(name)s {0}",
    "\U0001f4a3" * 300,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_claimed_client_id_is_recorded_as_data(gatehouse: World, text: str) -> None:
    # Encoding it for CSV, CEF or a page is the exports' business; the record says what was said.
    assert gatehouse.token(grant_type="client_credentials", client_id=text).status_code == 401
    assert AuditEvent.objects.get(event="token:access:refused").client_id == text


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["nul\0nul", "x" * 5000, "é" * 2000])
def test_a_record_never_fails_because_of_what_it_records(text: str) -> None:
    with audit.origin("fe80::1%" + "a" * 100, "0" * 32):
        audit.record(audit.Event.TOKEN_REFUSED, client_id=text, subject=text, resource=text)
    assert "\0" not in AuditEvent.objects.get().client_id


def test_no_secret_is_ever_recorded_or_logged(gatehouse: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    wrong = "a-wrong-secret-that-nobody-must-ever-read-again"
    code = gatehouse.authorize()["code"]
    tokens = json.loads(gatehouse.redeem(code).content)
    rotated = json.loads(gatehouse.refresh(tokens["refresh_token"]).content)
    assertion = client_assertion()["client_assertion"]
    for basic in (("nightly-report", SECRET), ("nightly-report", wrong)):
        gatehouse.token(basic=basic, grant_type="client_credentials")
    gatehouse.token(grant_type="client_credentials", **client_assertion() | {"client_assertion": assertion})
    gatehouse.redeem(code)
    gatehouse.refresh(tokens["refresh_token"])
    gatehouse.introspect(tokens["access_token"])
    gatehouse.post("revoke", {"token": rotated["refresh_token"], "client_id": "desktop-app"})
    gatehouse.browser.post("/accounts/login/", {"login": "bob", "password": wrong})

    kept = json.dumps([list(map(str, row)) for row in AuditEvent.objects.values_list()]) + caplog.text
    secrets = [SECRET, world.SERVER_SECRET, wrong, code, assertion, world.VERIFIER, "bob-password"]
    secrets += [answer[name] for answer in (tokens, rotated) for name in ("access_token", "refresh_token")]
    for secret in secrets:
        assert secret not in kept
