"""Push (RFC 8935): one SET in a request, what it has to be, and the errors in RFC 8935's form."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authz.models import AuditEvent
from authz.protocol import jwts
from tests.xaa.company import IDP, Company
from tests.xaa.signals.transmitter import BOB, Transmitter, claims, configure
from xaa.models import ReceivedSignal, SignalSourceState, SignalSourceToken, TrustedIssuer
from xaa.signals.event_types import EventType
from xaa.signals.receiving.explanations import EXPLANATIONS
from xaa.signals.receiving.reasons import SignalReason

REVOKED = EventType.SESSION_REVOKED
OTHER = "https://other-idp.example"
NOW = int(time.time())
# What is wrong with a SET → the code on the wire, and the reason in the audit.
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("another issuer", {"iss": OTHER}, "invalid_issuer", "signal_issuer"),
    ("no issuer", {"iss": None}, "invalid_issuer", "signal_issuer"),
    ("another audience", {"aud": "https://elsewhere.example"}, "invalid_audience", "signal_audience"),
    ("no audience", {"aud": None}, "invalid_audience", "signal_audience"),
    ("an audience among too many", {"aud": ["http://testserver/o"] * 21}, "invalid_audience", "signal_audience"),
    ("sub", {"sub": "bob-at-idp"}, "invalid_request", "signal_claim"),
    ("exp", {"exp": NOW + 300}, "invalid_request", "signal_claim"),
    ("no jti", {"jti": None}, "invalid_request", "signal_claim"),
    ("a jti without end", {"jti": "x" * 256}, "invalid_request", "signal_claim"),
    ("no iat", {"iat": None}, "invalid_request", "signal_claim"),
    ("an iat of words", {"iat": "now"}, "invalid_request", "signal_claim"),
    ("of the future", {"iat": NOW + 3600}, "invalid_request", "signal_age"),
    ("too old", {"iat": NOW - 30 * 24 * 3600}, "invalid_request", "signal_age"),
    ("no events", {"events": None}, "invalid_request", "signal_events"),
    ("an empty object of events", {"events": {}}, "invalid_request", "signal_events"),
    ("two events", {"events": {REVOKED: {}, EventType.ACCOUNT_PURGED: {}}}, "invalid_request", "signal_events"),
    ("an event that is no object", {"events": {REVOKED: "now"}}, "invalid_request", "signal_events"),
    ("a member is wrong", {"events": {REVOKED: {"event_timestamp": "now"}}}, "invalid_request", "signal_member"),
    ("no subject", {"sub_id": None}, "invalid_request", "signal_subject"),
    ("a subject that is none", {"sub_id": {"format": "email"}}, "invalid_request", "signal_subject"),
]


def refusals() -> list[str]:
    return list(
        AuditEvent.objects.filter(event="signal:request:refused").order_by("pk").values_list("reason", flat=True)
    )


@pytest.mark.parametrize(("changes", "err", "reason"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_set_that_is_wrong(okta: Transmitter, changes: dict[str, Any], err: str, reason: str) -> None:
    found = okta.push(okta.set(REVOKED, **changes))
    assert (found.status, found.body["err"]) == (400, err)
    assert found.headers["Content-Type"] == "application/json"
    assert found.headers["Content-Language"] == "en"
    assert refusals() == [reason]
    assert not ReceivedSignal.objects.exists()
    assert reason in SignalSourceState.objects.get().failure


class TestKinds:
    """Attack 17: another kind of token is no SET, and a SET is no other kind."""

    @pytest.mark.parametrize("typ", ["JWT", "oauth-id-jag+jwt", "at+jwt", "logout+jwt"])
    def test_another_typ(self, okta: Transmitter, typ: str) -> None:
        found = okta.push(okta.idp.sign(claims(REVOKED), typ))
        assert (found.status, found.body["err"]) == (400, "invalid_request")
        assert refusals() == ["signal_typ"]

    def test_no_typ(self, okta: Transmitter) -> None:
        import jwt

        token = jwt.encode(claims(REVOKED), okta.idp.key, algorithm="ES256", headers={"typ": None, "kid": "key-1"})
        assert okta.push(token).body["err"] == "invalid_request"

    def test_the_long_form_of_the_typ(self, okta: Transmitter) -> None:
        assert okta.push(okta.idp.sign(claims(REVOKED), "application/secevent+jwt")).status == 202

    def test_a_key_of_someone_else(self, okta: Transmitter) -> None:
        token = jwts.signer(ec.generate_private_key(ec.SECP256R1()), kid="key-1", alg="ES256", typ="secevent+jwt")
        found = okta.push(token.sign(claims(REVOKED)))
        assert (found.status, found.body["err"]) == (400, "invalid_key")
        assert refusals() == ["signal_signature"]

    @pytest.mark.parametrize("token", ["", "a.b.c", "not a token", "x" * 17_000, "é"])
    def test_no_token_at_all(self, okta: Transmitter, token: str) -> None:
        assert okta.push(token).body["err"] == "invalid_request"

    def test_a_set_is_no_id_jag(self, company: Company, okta: Transmitter) -> None:
        assert company.redeem_assertion(okta.set(REVOKED)).status_code == 400


class TestCredentials:
    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic b2t0YTp4", "Bearer " + "x" * 600])
    def test_who_is_no_source(self, okta: Transmitter, header: str) -> None:
        found = okta.push(okta.set(REVOKED), authorization=header)
        assert (found.status, found.body["err"]) == (400, "authentication_failed")

    def test_a_token_that_expired_or_was_withdrawn(self, okta: Transmitter) -> None:
        SignalSourceToken.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
        assert okta.push(okta.set(REVOKED)).body["err"] == "authentication_failed"
        SignalSourceToken.objects.update(withdrawn=datetime.now(UTC))
        assert okta.push(okta.set(REVOKED)).body["err"] == "authentication_failed"
        assert refusals() == ["signal_token_expired", "signal_token_withdrawn"]

    def test_a_source_that_is_off(self, okta: Transmitter) -> None:
        configure(enabled=False)
        assert okta.push(okta.set(REVOKED)).body["err"] == "access_denied"

    def test_an_issuer_that_is_off(self, okta: Transmitter) -> None:
        TrustedIssuer.objects.get(issuer=IDP).delete()
        assert okta.push(okta.set(REVOKED)).body["err"] == "authentication_failed"

    def test_a_media_type_of_another_kind(self, okta: Transmitter) -> None:
        found = okta.push(okta.set(REVOKED), content_type="application/json")
        assert (found.status, found.body["err"]) == (400, "invalid_request")

    def test_another_method(self, okta: Transmitter) -> None:
        from django.test import Client

        assert Client().get("/o/signals/events").status_code == 405


def test_an_event_comes_again_and_counts_once(okta: Transmitter) -> None:
    token = okta.set(REVOKED)
    assert [okta.push(token).status for _ in range(3)] == [202, 202, 202]
    assert ReceivedSignal.objects.get().outcome == "acted"
    assert AuditEvent.objects.filter(event="signal:event:received").count() == 1


def test_a_refused_event_is_not_used_up(okta: Transmitter) -> None:
    """Attack 15: a failing request must not use up an event that comes again."""
    token = okta.set(REVOKED)
    configure(enabled=False)
    assert okta.push(token).status == 400
    configure(enabled=True)
    assert okta.push(token).status == 202
    assert ReceivedSignal.objects.get().outcome == "acted"


def test_an_unknown_event_is_taken_and_recorded(okta: Transmitter) -> None:
    okta.send("https://example.com/events/something", {"format": "anything"}, {"a": 1})
    row = ReceivedSignal.objects.get()
    assert (row.outcome, row.action) == ("recorded", "")


def test_the_subject_within_the_event_counts_where_there_is_no_other(okta: Transmitter) -> None:
    okta.send(REVOKED, None, {"subject": {"subject_type": "iss-sub", "iss": IDP, "sub": "bob-at-idp"}})
    assert ReceivedSignal.objects.get().user is not None


def test_a_transmitter_with_a_name_and_keys_of_its_own(
    company: Company, okta: Transmitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(transmitter="https://ssf.idp.example/", jwks_uri="https://idp.example/jwks", audience=["us"])
    okta.send(REVOKED, iss="https://ssf.idp.example/", aud=["them", "us"])
    okta.send(REVOKED, BOB | {"iss": "https://ssf.idp.example/"}, iss="https://ssf.idp.example/", aud="us")
    assert okta.push(okta.set(REVOKED, aud="us")).body["err"] == "invalid_issuer"
    assert set(ReceivedSignal.objects.values_list("outcome", flat=True)) == {"acted"}


def test_each_reason_is_explained() -> None:
    assert set(EXPLANATIONS) == {reason.value for reason in SignalReason}
