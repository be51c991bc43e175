"""Each kind of end reaches the receivers that it concerns, and no other."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from allauth.account.models import EmailAddress

from authz.approvals import agent_lifecycle
from authz.authorizations import cut_off, ending, removal
from authz.conf import conf
from authz.configuration import apply
from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from authz.models import Authorization, BrowserSession, Client, User
from tests.support.world import NOTES
from tests.xaa.company import IDP, Company
from tests.xaa.signals.receivers import CHAT_RECEIVER, CHAT_SECRET, Receiver, configure, waiting
from xaa.models import IdJagReceipt, SignalReceiver, SubjectLink, TrustedIssuer
from xaa.signals.sending import receivers

ALICE = "alice"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def notes(company: Company) -> Receiver:
    configure(CHAT_RECEIVER)
    found = Receiver(company)
    found.create()
    return found


@pytest.fixture
def payroll(company: Company, notes: Receiver) -> Receiver:
    found = Receiver(company, "payroll-server")
    found.create()
    return found


@pytest.fixture
def chat(company: Company, notes: Receiver) -> Receiver:
    found = Receiver(company, "chat-receiver", CHAT_SECRET)
    found.create()
    return found


def bob() -> User:
    return User.objects.get(username="bob")


def switch(kind: str, identifier: str) -> None:
    target = cut_off.target(kind, identifier)
    cut_off.cut_off(target, kind=kind, identifier=identifier, reason="a private word", by=ALICE, now=now())


def person() -> dict[str, str]:
    return {"format": "iss_sub", "iss": conf.issuer, "sub": str(bob().subject)}


def of_agent(agent: str, authorization: Authorization) -> dict[str, Any]:
    return {
        "format": "complex",
        "user": person(),
        "application": {"format": "opaque", "id": agent},
        "session": {"format": "opaque", "id": str(authorization.pk)},
    }


def at_notes() -> Authorization:
    return Authorization.objects.get(user=bob(), resource__identifier=NOTES)


def with_unit(act: Callable[[], object]) -> None:
    with unit_of_work():
        act()


# What ends, how it is said to have begun, and whether the whole person is meant.
ENDS: dict[str, tuple[Callable[[], object], str, bool]] = {
    "agent": (lambda: switch("client", "desktop-app"), "admin", False),
    "person": (lambda: switch("person", "bob"), "admin", True),
    "authorization": (lambda: switch("authorization", str(at_notes().pk)), "admin", False),
    "session": (lambda: switch("session", BrowserSession.objects.get(user=bob()).digest), "admin", False),
    "server": (lambda: switch("resource", NOTES), "admin", False),
    "rule": (lambda: switch("rule", "Engineers use agents on Notes"), "admin", False),
    "everything": (lambda: switch("everything", ""), "admin", False),
    "by the person": (
        lambda: ending.end_own(at_notes().client, bob(), at_notes().resource, reason="ended_by_person", now=now()),
        "user",
        False,
    ),
    "retired": (
        lambda: agent_lifecycle.change_status(
            Client.objects.get(client_id="desktop-app"), "retired", by=User.objects.get(username=ALICE), now=now()
        ),
        "admin",
        False,
    ),
    "agent removed": (
        lambda: with_unit(lambda: removal.remove(Client.objects.get(client_id="desktop-app"))),
        "admin",
        False,
    ),
    "disabled in the file": (
        lambda: apply("users: [{username: bob, email: bob@example.com, groups: [engineering], active: false}]"),
        "admin",
        True,
    ),
}


def told(name: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """What waits for a receiver: kind, subject and claims of each event."""
    return [(row.event_type.rpartition("/")[2], row.subject, row.claims) for row in waiting(name)]


@pytest.mark.parametrize("name", ENDS)
def test_each_end_reaches_the_server_that_it_concerns(
    name: str, company: Company, notes: Receiver, payroll: Receiver
) -> None:
    company.signed_in_tokens()
    ended = at_notes()
    act, entity, is_whole = ENDS[name]
    before = int(now().timestamp())
    act()
    *_, (kind, subject, event) = told("Notes")
    assert kind == "session-revoked"
    assert subject == (person() if is_whole else of_agent("desktop-app", ended))
    assert event["initiating_entity"] == entity
    assert before <= event["event_timestamp"] <= int(now().timestamp())
    # > The `reason_admin` field of the event MUST be populated with a non-empty value. (interoperability)
    assert event["reason_admin"]["en"]
    assert "private" not in str(event)
    # Attack: a receiver learns of people who were never there.
    assert told("Payroll") == []


def test_of_a_disabled_person_one_event_says_it_all(company: Company, notes: Receiver) -> None:
    company.signed_in_tokens()
    switch("person", "bob")
    assert [subject for _, subject, _ in told("Notes")] == [person()]
    # Who was told of already is not told of again.
    switch("client", "desktop-app")
    bob().save()
    assert len(told("Notes")) == 1


def test_an_issuer_that_is_withdrawn_ends_what_its_id_jags_gave(company: Company, notes: Receiver) -> None:
    company.idp_link("bob")
    assert company.redeem_assertion(company.idp.id_jag()).status_code == 200
    ended = at_notes()
    switch("issuer", IDP)
    assert [subject for _, subject, _ in told("Notes")] == [of_agent("agent", ended)]


def test_a_machine_is_named_as_its_token_names_it(company: Company, notes: Receiver) -> None:
    company.machine_token(resource=NOTES)
    switch("client", "nightly-report")
    machine = {"format": "iss_sub", "iss": conf.issuer, "sub": "nightly-report"}
    assert [subject for _, subject, _ in told("Notes")] == [machine]


class TestIdJagAudiences:
    """Those who took our ID-JAGs know the person by `sub`, and the agent as it is called there."""

    THERE: dict[str, Any] = {"application": {"format": "opaque", "id": "agent-at-chat"}, "format": "complex"}

    def exchanged(self, company: Company) -> None:
        assert company.exchange(company.login()["id_token"]).status_code == 200

    @pytest.mark.parametrize(
        "kind, identifier",
        [("client", lambda: "agent"), ("session", lambda: BrowserSession.objects.get(user=bob()).digest)],
    )
    def test_the_end_of_what_it_rested_on(
        self, kind: str, identifier: Callable[[], str], company: Company, chat: Receiver
    ) -> None:
        self.exchanged(company)
        switch(kind, identifier())
        assert [subject for _, subject, _ in told("Chat")] == [{**self.THERE, "user": person()}]
        assert told("Notes") == []

    def test_signing_out_is_told(self, company: Company, chat: Receiver) -> None:
        self.exchanged(company)
        company.browser.post("/accounts/logout/")
        assert [(subject, event["initiating_entity"]) for _, subject, event in told("Chat")] == [
            ({**self.THERE, "user": person()}, "user")
        ]

    def test_a_person_who_has_left_since(self, company: Company, chat: Receiver) -> None:
        """Nothing of theirs is live here any more, and their access there may be."""
        self.exchanged(company)
        company.browser.post("/accounts/logout/")
        switch("person", "bob")
        assert told("Chat")[-1][1] == person()

    @pytest.mark.parametrize("how", ["switch", "disabled", "unlinked"])
    def test_an_issuer_whose_id_token_it_rested_on(self, how: str, company: Company, chat: Receiver) -> None:
        company.idp_link("bob")
        assert company.exchange(company.idp.id_token()).status_code == 200
        assert IdJagReceipt.objects.get().issuer == IDP
        match how:
            case "switch":
                switch("issuer", IDP)
            case "disabled":
                trust = TrustedIssuer.objects.get(issuer=IDP)
                trust.enabled = False
                trust.save()
            case "unlinked":
                SubjectLink.objects.get(user=bob()).delete()
        assert [subject for _, subject, _ in told("Chat")] == [{**self.THERE, "user": person()}]

    def test_nothing_is_kept_for_servers_that_no_receiver_is_told_of(self, company: Company) -> None:
        self.exchanged(company)
        assert not IdJagReceipt.objects.exists()

    def test_a_second_exchange_is_no_second_receipt(self, company: Company, chat: Receiver) -> None:
        token = company.login()["id_token"]
        for _ in range(2):
            assert company.exchange(token).status_code == 200
        assert IdJagReceipt.objects.count() == 1


class TestCredentials:
    def test_a_new_password_is_told_to_those_who_know_the_person(
        self, company: Company, notes: Receiver, payroll: Receiver
    ) -> None:
        company.signed_in_tokens()
        user = bob()
        user.set_password("another-password")
        user.save()
        kinds = {kind: (subject, event) for kind, subject, event in told("Notes")}
        subject, event = kinds["credential-change"]
        assert subject == person()
        assert (event["credential_type"], event["change_type"]) == ("password", "update")
        assert event["reason_admin"]["en"]
        assert "session-revoked" in kinds, "what rested on the old one ended"
        assert told("Payroll") == []


class TestNames:
    def test_by_address_where_that_is_configured(self, company: Company, notes: Receiver) -> None:
        apply(f'signal_receivers: [{{name: Notes, client_id: notes-server, resources: ["{NOTES}"], subject: email}}]')
        company.signed_in_tokens()
        switch("person", "bob")
        assert told("Notes")[-1][1] == {"format": "email", "email": "bob@example.com"}

    def test_a_removed_person_is_named_as_they_were(self, company: Company, notes: Receiver) -> None:
        apply(f'signal_receivers: [{{name: Notes, client_id: notes-server, resources: ["{NOTES}"], subject: email}}]')
        company.signed_in_tokens()
        with_unit(lambda: removal.remove(bob()))
        assert told("Notes")[-1][1] == {"format": "email", "email": "bob@example.com"}

    def test_an_address_that_is_not_known_to_be_theirs_names_no_one(self, company: Company, notes: Receiver) -> None:
        """Attack: charlie enters alice's address, ends his own access, and so hers there."""
        apply(f'signal_receivers: [{{name: Notes, client_id: notes-server, resources: ["{NOTES}"], subject: email}}]')
        company.signed_in_tokens()
        EmailAddress.objects.create(user=bob(), email="bob@example.com", verified=False)
        switch("person", "bob")
        assert told("Notes")[-1][1] == person()


def test_what_is_rolled_back_is_not_told(company: Company, notes: Receiver) -> None:
    company.signed_in_tokens()
    with pytest.raises(RuntimeError), unit_of_work():
        cut_off.end_now(cut_off.target("person", "bob"), kind="person", identifier="bob", reason="", by="x", now=now())
        raise RuntimeError("the change failed")
    assert told("Notes") == []


def test_a_receiver_that_is_off_is_told_nothing(company: Company, notes: Receiver) -> None:
    company.signed_in_tokens()
    apply(f'signal_receivers: [{{name: Notes, client_id: notes-server, resources: ["{NOTES}"], enabled: false}}]')
    switch("person", "bob")
    assert told("Notes") == []


def test_a_process_that_began_before_the_receiver_was_named_tells_it(company: Company, notes: Receiver) -> None:
    """Scheduled tasks and commands end access, too, and begin no generation."""
    company.signed_in_tokens()
    SignalReceiver.objects.update(enabled=False)
    configuration_cache.begin()
    assert receivers.cached() == ()
    SignalReceiver.objects.update(enabled=True)
    switch("person", "bob")
    assert told("Notes")[-1][1] == person()
