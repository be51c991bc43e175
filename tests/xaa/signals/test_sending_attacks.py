"""Attacks on what this server tells: others' streams, others' people, tokens that are none, and SETs that are taken for
another token (docs/threats.md, 53)."""

import json
from typing import Any

import pytest

from authz import tokens
from authz.authorizations import cut_off
from authz.conf import conf
from authz.configuration import apply
from authz.models import AuditEvent
from authz.protocol import jwts
from tests.support.races import at_once
from tests.support.world import SECRET, SERVER_SECRET
from tests.xaa.company import Company, refused
from tests.xaa.signals.receivers import Receiver, configure, waiting
from tests.xaa.signals.test_sending_ends import bob, now, switch
from xaa.models import SignalStream


@pytest.fixture
def notes(company: Company) -> Receiver:
    configure()
    found = Receiver(company)
    found.create()
    return found


REQUESTS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "streams?stream_id={id}", None),
    ("PATCH", "streams", {"description": "mine now"}),
    ("PUT", "streams", {"description": "mine now"}),
    ("DELETE", "streams?stream_id={id}", None),
    ("GET", "status?stream_id={id}", None),
    ("POST", "status", {"status": "disabled"}),
    ("POST", "verification", {}),
    ("POST", "subjects/add", {"subject": {"format": "email", "email": "bob@example.com"}}),
    ("POST", "subjects/remove", {"subject": {"format": "email", "email": "bob@example.com"}}),
    ("POST", "poll/{id}", {"returnImmediately": True}),
]


@pytest.mark.parametrize("method, path, body", REQUESTS, ids=lambda value: str(value)[:30])
def test_another_clients_stream_is_not_there(
    method: str, path: str, body: dict[str, Any] | None, company: Company, notes: Receiver
) -> None:
    company.signed_in_tokens()
    switch("person", "bob")
    before = SignalStream.objects.values().get(), len(waiting("Notes"))
    other = Receiver(company, "payroll-server")
    given = None if body is None else {"stream_id": notes.id, **body}
    with_none = other.ask(method, path.format(id=notes.id), given)
    other.create()
    with_one = other.ask(method, path.format(id=notes.id), given)
    assert (with_none.status, with_one.status) == (404, 404)
    assert notes.id not in str(other.ask("GET", "streams").body)
    after = SignalStream.objects.filter(receiver__name="Notes").values().get(), len(waiting("Notes"))
    assert after == before
    assert AuditEvent.objects.filter(event="signals:request:refused", reason="ssf_stream_unknown").count() == 2


@pytest.mark.parametrize("method, path, body", REQUESTS, ids=lambda value: str(value)[:30])
def test_reading_changes_nothing(
    method: str, path: str, body: dict[str, Any] | None, company: Company, notes: Receiver
) -> None:
    """`ssf.read` reads the configuration, the status and the events; all else needs `ssf.manage`."""
    reader = Receiver(company, scope="ssf.read")
    given = None if body is None else {"stream_id": notes.id, **body}
    found = reader.ask(method, path.format(id=notes.id), given)
    may = method == "GET" or path.startswith("poll/")
    assert found.status == (200 if may else 403)
    if not may:
        assert found.body["error"] == "insufficient_scope"
        assert 'error="insufficient_scope"' in found.headers["WWW-Authenticate"]


class TestTokens:
    def test_without_one_there_is_a_challenge_without_an_error(self, notes: Receiver) -> None:
        found = notes.ask("GET", "streams", token="")
        assert found.status == 401
        challenge = found.headers["WWW-Authenticate"]
        assert "error" not in challenge
        assert f"{conf.origin}/.well-known/oauth-protected-resource/o/ssf" in challenge

    def test_not_in_the_query(self, notes: Receiver) -> None:
        """> MUST NOT accept access tokens in the query parameters (CAEP interoperability §2.7.3)"""
        assert notes.ask("GET", f"streams?access_token={notes.token}", token="").status == 401

    def test_one_for_another_resource(self, company: Company, notes: Receiver) -> None:
        assert notes.ask("GET", "streams", token=company.machine_token()["access_token"]).status == 401

    def test_one_that_has_ended(self, company: Company, notes: Receiver) -> None:
        switch("client", "notes-server")
        assert notes.ask("GET", "streams").status == 401

    def test_a_client_that_is_no_receiver(self, company: Company, notes: Receiver) -> None:
        other = Receiver(company, "nightly-report", SECRET)
        assert other.ask("GET", "streams").status == 403
        assert other.ask("POST", "streams", {}).status == 403

    def test_a_receiver_that_is_switched_off(self, notes: Receiver) -> None:
        apply(
            "signal_receivers: [{name: Notes, client_id: notes-server, resources: ['http://127.0.0.1:9200/mcp'],"
            " enabled: false}]"
        )
        assert notes.ask("GET", "streams").status == 403
        assert notes.poll().status == 403


def test_a_set_is_no_access_token_and_no_id_token(company: Company, notes: Receiver) -> None:
    """Attack: a receiver presents what it was told as a token of ours (RFC 8417 §4)."""
    token = company.signed_in_tokens()["access_token"]
    company.post("revoke", {"token": token, "client_id": "desktop-app"})
    (text,) = notes.poll().body["sets"].values()
    with pytest.raises(jwts.JwtError):
        tokens.read(text, now=now().timestamp())
    assert notes.ask("GET", "streams", token=text).status == 401
    assert refused(company.exchange(text))[0] == 400
    assert company.introspect(text) == {"active": False}


def test_nothing_of_a_receivers_people_reaches_another(company: Company, notes: Receiver) -> None:
    payroll = Receiver(company, "payroll-server")
    payroll.create()
    company.signed_in_tokens()
    user = bob()
    user.set_password("another-password")
    user.save()
    switch("person", "bob")
    assert waiting("Notes")
    assert payroll.events() == []


@pytest.mark.django_db(transaction=True)
def test_two_that_create_a_stream_at_once_get_one(company: Company) -> None:
    configure()
    receivers = [Receiver(company) for _ in range(3)]
    answers = at_once([lambda one=one: one.ask("POST", "streams", {}).status for one in receivers])  # type: ignore[misc]
    assert sorted(answers) == [201, 409, 409]
    assert SignalStream.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_ends_of_one_person_at_once_are_both_told(company: Company) -> None:
    configure()
    notes = Receiver(company)
    notes.create()
    company.signed_in_tokens()

    def end(kind: str, identifier: str) -> None:
        target = cut_off.target(kind, identifier)
        cut_off.cut_off(target, kind=kind, identifier=identifier, reason="", by="x", now=now())

    at_once([lambda: end("person", "bob"), lambda: end("client", "desktop-app")])
    assert str(bob().subject) in json.dumps([row.subject for row in waiting("Notes")])
    assert SERVER_SECRET not in json.dumps([row.claims for row in waiting("Notes")])


@pytest.mark.parametrize("raw", ["{", "[]", '{"stream_id": "a", "stream_id": "b"}', "\ud800", ""])
def test_bodies_that_are_none(notes: Receiver, raw: str) -> None:
    for path in ("streams", "status", "verification", f"poll/{notes.id}"):
        found: Any = notes.browser.post(
            f"{conf.issuer_path}/ssf/{path}",
            raw.encode("utf-8", "surrogatepass"),
            content_type="application/json",
            headers={"authorization": f"Bearer {notes.token}"},
        )
        assert found.status_code == 400
