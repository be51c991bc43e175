"""A leaver by one event: from its answer on nothing of theirs works, and nothing of before comes back."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from authz.authorizations import cut_off
from authz.models import (
    AuditEvent,
    Authorization,
    AuthorizationCode,
    BrowserSession,
    Client,
    CutOff,
    ProtectedResource,
    User,
)
from tests.support.world import NOTES, SERVER_SECRET, basic_header, hidden_fields, person, redirect_parameters
from tests.xaa.company import Company, refused
from tests.xaa.signals.transmitter import Transmitter, configure
from tests.xaa.upstream import Upstream, upstream
from xaa.models import ReceivedSignal
from xaa.signals.event_types import EventType

__all__ = ["upstream"]
REVOKED, DISABLED, ENABLED = EventType.SESSION_REVOKED, EventType.ACCOUNT_DISABLED, EventType.ACCOUNT_ENABLED
COMPROMISED = {"credential_type": "password"}


@pytest.fixture(autouse=True)
def _decides(company: Company) -> None:
    """The MCP server asks about each call."""
    notes = ProtectedResource.objects.get(identifier=NOTES)
    notes.decision_clients.add(Client.objects.get(client_id="notes-server"))


def is_allowed(company: Company, token: str) -> bool:
    asked = {
        "subject": {"type": "token", "id": token},
        "action": {"name": "tools/call", "properties": {"arguments": {}}},
        "resource": {"type": "tool", "id": "search"},
    }
    found: Any = company.browser.post(
        "/o/access/v1/evaluation",
        json.dumps(asked),
        content_type="application/json",
        headers={"authorization": basic_header("notes-server", SERVER_SECRET)},
    )
    return found.status_code == 200 and json.loads(found.content).get("decision") is True


def outcome() -> str:
    return str(ReceivedSignal.objects.get().outcome)


@pytest.mark.parametrize("event", [DISABLED, EventType.ACCOUNT_PURGED, REVOKED])
def test_nothing_works_after_the_switch(company: Company, okta: Transmitter, event: EventType) -> None:
    """RISC's account-disabled as it is, and CAEP's session-revoked where the source is told so."""
    configure(actions={"session-revoked": "end"})
    tokens = company.signed_in_tokens()
    chat = json.loads(company.redeem_assertion(company.idp.id_jag()).content)
    login = company.login()
    held = company.idp.id_jag()
    assert company.introspect(tokens["access_token"])["active"] is True
    assert is_allowed(company, tokens["access_token"])

    okta.send(event)

    assert company.refresh(tokens["refresh_token"]).status_code == 400
    for token in (tokens["access_token"], chat["access_token"]):
        assert company.introspect(token)["active"] is False
        assert not is_allowed(company, token)
    for assertion in (held, company.idp.id_jag()):
        assert refused(company.redeem_assertion(assertion)) == (400, "invalid_grant")
    assert company.exchange(login["id_token"]).status_code == 400
    assert not BrowserSession.objects.filter(user__username="bob").exists()
    assert not Authorization.objects.filter(user__username="bob", revoked=None).exists()
    assert not person("bob").is_active
    assert AuditEvent.objects.get(event="policy:access:cut_off").detail["by"] == "signals Okta"
    told = AuditEvent.objects.get(event="signal:event:received")
    assert (told.subject, told.detail["action"], told.detail["outcome"]) == (
        str(person("bob").subject),
        "end",
        "acted",
    )


def test_the_issuers_sessions_end_with_what_rests_on_them(upstream: Upstream) -> None:
    company, browser = upstream.company, upstream.browser
    upstream.sign_in()
    okta = Transmitter(company.idp, configure())
    url = company.authorize_url()
    consented = redirect_parameters(browser.post(url, hidden_fields(browser.get(url)) | {"allow": "true"}))
    tokens = json.loads(company.redeem(consented["code"]).content)
    unused = redirect_parameters(browser.get(url))["code"]
    assert company.introspect(tokens["access_token"])["active"] is True

    okta.send(REVOKED, members={"reason_admin": {"en": "Landspeed Policy Violation: C076E82F"}})

    assert company.redeem(unused).status_code == 400
    assert company.refresh(tokens["refresh_token"]).status_code == 400
    assert company.introspect(tokens["access_token"]) == {"active": False}
    assert not is_allowed(company, tokens["access_token"])
    answer: Any = browser.get("/account/")
    assert answer.status_code == 302
    assert person("bob").is_active
    assert AuthorizationCode.objects.exists()
    told = AuditEvent.objects.get(event="signal:event:received")
    assert told.detail["because"] == "Landspeed Policy Violation: C076E82F"
    assert told.detail["ended"] == 2
    assert AuditEvent.objects.filter(event="token:authorization:revoked", detail__because="session_revoked").exists()


class TestAssertionsOfBefore:
    """Attack 14: what the issuer gave out before it ended the sessions."""

    def test_they_count_no_more_and_what_it_issues_later_does(self, company: Company, okta: Transmitter) -> None:
        now = int(time.time())
        given = json.loads(company.redeem_assertion(company.idp.id_jag(iat=now - 30)).content)
        held = company.idp.id_jag(iat=now - 20)
        okta.send(REVOKED, iat=now - 10)
        assert company.introspect(given["access_token"])["active"] is False
        assert refused(company.redeem_assertion(held)) == (400, "invalid_grant")
        assert AuditEvent.objects.filter(reason="subject_signed_out").exists()
        again = json.loads(company.redeem_assertion(company.idp.id_jag(iat=now)).content)
        assert company.introspect(again["access_token"])["active"] is True

    def test_an_id_token_of_before_is_no_subject_token(self, company: Company, okta: Transmitter) -> None:
        now = int(time.time())
        held = company.idp.id_token(iat=now - 20)
        assert company.exchange(held).status_code == 200
        okta.send(REVOKED, iat=now - 10)
        assert company.exchange(held).status_code == 400

    def test_an_older_event_does_not_bring_them_back(self, company: Company, okta: Transmitter) -> None:
        now = int(time.time())
        okta.send(REVOKED, iat=now - 10)
        okta.send(REVOKED, iat=now - 60)
        assert company.redeem_assertion(company.idp.id_jag(iat=now - 20)).status_code == 400


def test_a_late_event_ends_no_newer_sign_in(company: Company, okta: Transmitter) -> None:
    now = int(time.time())
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    okta.send(REVOKED, members={"event_timestamp": now - 3600})
    assert company.introspect(token)["active"] is True
    okta.send(REVOKED, members={"event_timestamp": (now - 3600) * 1000})  # milliseconds, as drafts had them
    assert company.introspect(token)["active"] is False


CREDENTIAL = EventType.CREDENTIAL_CHANGE
DEVICE = EventType.DEVICE_COMPLIANCE_CHANGE
OTHERS: list[tuple[EventType, dict[str, str], bool]] = [
    *((CREDENTIAL, {"change_type": kind, **COMPROMISED}, True) for kind in ("revoke", "update", "delete")),
    (CREDENTIAL, {"change_type": "create", **COMPROMISED}, False),
    (EventType.CREDENTIAL_COMPROMISE, COMPROMISED, True),
    (DEVICE, {"current_status": "not-compliant", "previous_status": "compliant"}, True),
    (DEVICE, {"current_status": "compliant", "previous_status": "not-compliant"}, False),
    (EventType.SESSIONS_REVOKED, {}, True),
    (EventType.ASSURANCE_LEVEL_CHANGE, {"namespace": "NIST-AAL", "current_level": "nist-aal1"}, False),
    (EventType.SESSION_ESTABLISHED, {}, False),
]


@pytest.mark.parametrize(("event", "members", "ends"), OTHERS)
def test_what_each_event_ends(
    company: Company, okta: Transmitter, event: EventType, members: dict[str, str], ends: bool
) -> None:
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    okta.send(event, members=members)
    assert company.introspect(token)["active"] is not ends
    assert outcome() == ("acted" if ends else "recorded")


class TestTheOrderOfWords:
    def test_enabled_again(self, company: Company, okta: Transmitter) -> None:
        token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
        okta.send(DISABLED)
        okta.send(ENABLED)
        assert person("bob").is_active
        assert company.introspect(token)["active"] is False
        assert company.redeem_assertion(company.idp.id_jag()).status_code == 200

    def test_the_older_of_two_counts_no_more(self, okta: Transmitter) -> None:
        now = int(time.time())
        okta.send(ENABLED, iat=now - 5)
        okta.send(DISABLED, iat=now - 10)
        assert person("bob").is_active
        assert ReceivedSignal.objects.filter(outcome="outdated").count() == 1
        okta.send(DISABLED, iat=now)
        assert not person("bob").is_active

    def test_what_an_administrator_stopped_stays_so(self, okta: Transmitter) -> None:
        found = cut_off.target("person", "bob")
        cut_off.cut_off(found, kind="person", identifier="bob", reason="", by="alice", now=datetime.now(UTC))
        okta.send(DISABLED)
        okta.send(ENABLED)
        assert not person("bob").is_active

    def test_enabling_gives_back_nothing_of_others(self, okta: Transmitter) -> None:
        found = cut_off.target("person", "bob")
        cut_off.cut_off(found, kind="person", identifier="bob", reason="", by="alice", now=datetime.now(UTC))
        okta.send(ENABLED)
        assert not person("bob").is_active
        assert ReceivedSignal.objects.get().note == "This stream has not disabled the person."


class TestDecidedAnew:
    def claims_change(self, okta: Transmitter, **claims: Any) -> ReceivedSignal:
        okta.send(EventType.TOKEN_CLAIMS_CHANGE, members={"claims": claims})
        return ReceivedSignal.objects.get()

    def test_a_group_less(self, company: Company, okta: Transmitter) -> None:
        issuer = okta.source.issuer
        issuer.groups_claim = "groups"
        issuer.save()
        now = int(time.time())
        User.objects.get(username="bob").groups.clear()
        given = company.redeem_assertion(company.idp.id_jag(groups=["engineering"], iat=now - 60))
        token = json.loads(given.content)["access_token"]
        assert company.introspect(token)["active"] is True
        row = self.claims_change(okta, groups=["sales"])
        assert set(person("bob").groups.values_list("name", flat=True)) == {"sales"}
        assert (row.outcome, row.ended) == ("acted", 1)
        assert Authorization.objects.get(user__username="bob").revoked_reason == "decided_anew"
        assert company.introspect(token)["active"] is False
        # An assertion of before says groups that are no longer so.
        assert company.redeem_assertion(company.idp.id_jag(groups=["engineering"], iat=now - 30)).status_code == 400

    def test_a_weaker_sign_in(self, company: Company, okta: Transmitter) -> None:
        company.redeem_assertion(company.idp.id_jag(acr="aal2"))
        row = self.claims_change(okta, acr="aal1", amr=["pwd"], anything={"a": 1})
        assert row.note == "acr, amr"
        assert Authorization.objects.get(user__username="bob").acr == "aal1"

    def test_what_says_nothing_here(self, okta: Transmitter) -> None:
        assert self.claims_change(okta, role="ro-admin").note == "It says nothing that counts here."


class TestAddresses:
    OLD = {"format": "email", "email": "bob@example.com"}

    def change(self, okta: Transmitter, event: EventType = EventType.IDENTIFIER_CHANGED, **members: str) -> User:
        okta.send(event, self.OLD, members)
        return person("bob")

    @pytest.fixture
    def theirs(self, okta: Transmitter) -> Transmitter:
        """Bob's account is the IdP's own, which speaks for example.com."""
        issuer = okta.source.issuer
        issuer.email_domains = ["example.com"]
        issuer.save()
        bob = person("bob")
        bob.is_from_elsewhere = True
        bob.set_unusable_password()
        bob.save()
        return okta

    @pytest.mark.parametrize(
        ("new", "expected"),
        [
            ("robert@example.com", "robert@example.com"),
            ("robert@elsewhere.example", ""),
            ("alice@example.com", ""),
            ("nothing", ""),
        ],
    )
    def test_it_follows_where_it_may(self, theirs: Transmitter, new: str, expected: str) -> None:
        assert self.change(theirs, **{"new-value": new}).email == expected

    def test_a_recycled_one_is_removed(self, theirs: Transmitter) -> None:
        assert self.change(theirs, EventType.IDENTIFIER_RECYCLED).email == ""

    @pytest.mark.parametrize("role", [User.Role.NONE, User.Role.ADMINISTRATOR])
    def test_no_account_is_taken_over_by_its_address(self, okta: Transmitter, role: str) -> None:
        """Attack 38: the transmitter names an address of its own, and asks for a new password."""
        bob = person("bob")
        bob.role, bob.is_from_elsewhere = role, role != User.Role.NONE
        bob.save()
        assert self.change(okta, **{"new-value": "evil@example.com"}).email == "bob@example.com"
        assert outcome() == "kept"


def test_the_last_administrator_stays(okta: Transmitter) -> None:
    bob = person("bob")
    bob.role = User.Role.ADMINISTRATOR
    bob.save()
    User.objects.exclude(pk=bob.pk).update(role=User.Role.NONE)
    okta.send(DISABLED)
    assert person("bob").is_active
    assert outcome() == "kept"
    assert not CutOff.objects.exists()
