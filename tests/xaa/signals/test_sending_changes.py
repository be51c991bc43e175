"""What is told of accounts, suspended agents and claims: in order, and only to who asked for it and may know it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group

from authz.approvals import agent_lifecycle
from authz.authorizations import cut_off, removal
from authz.conf import conf
from authz.configuration import apply
from authz.database.transactions import unit_of_work
from authz.models import Authorization, Client, CutOff, User
from authz.sign_in import memberships
from tests.support.races import at_once
from tests.support.world import NOTES
from tests.xaa.company import IDP, Company
from tests.xaa.directories import Scim
from tests.xaa.signals.receivers import CHAT_RECEIVER, CHAT_SECRET, Receiver, configure, waiting
from xaa.signals.event_types import CAEP, RISC, EventType

ALL = [one.value for one in EventType if one.value.startswith((CAEP, RISC))]


def now() -> datetime:
    return datetime.now(UTC)


def bob() -> User:
    return User.objects.get(username="bob")


def told(name: str) -> list[str]:
    return [row.event_type.rpartition("/")[2] for row in waiting(name)]


def switch(kind: str, identifier: str) -> None:
    target = cut_off.target(kind, identifier)
    cut_off.cut_off(target, kind=kind, identifier=identifier, reason="", by="alice", now=now())


def undo() -> None:
    cut_off.undo(CutOff.objects.get(), by="alice", now=now())


def remove() -> None:
    with unit_of_work():
        removal.remove(bob())


@pytest.fixture
def notes(company: Company) -> Receiver:
    """A receiver that asks for all that there is."""
    configure(CHAT_RECEIVER)
    found = Receiver(company)
    found.create(events_requested=ALL)
    return found


class TestAccounts:
    """RISC's events of accounts, for receivers that ask for them."""

    def test_disabled_enabled_and_removed_in_order(self, company: Company, notes: Receiver) -> None:
        company.signed_in_tokens()
        switch("person", "bob")
        undo()
        user = bob()
        user.is_active = False
        user.save()
        user.is_active = True
        user.save(update_fields=["is_active"])
        user.save()
        remove()
        assert [one for one in told("Notes") if one.startswith("account-")] == [
            *("account-disabled", "account-enabled", "account-disabled", "account-enabled", "account-purged"),
        ]
        subject = {"format": "iss_sub", "iss": conf.issuer, "sub": str(user.subject)}
        assert all(row.subject == subject for row in waiting("Notes") if "/account-" in row.event_type)

    def test_who_was_disabled_before_is_removed(self, company: Company, notes: Receiver) -> None:
        company.signed_in_tokens()
        switch("person", "bob")
        remove()
        assert told("Notes")[-1] == "account-purged"

    def test_by_a_directory(self, company: Company, notes: Receiver) -> None:
        apply(f"directories: [{{name: Okta, issuer: '{IDP}', subject: externalId}}]")
        company.idp_link("bob")
        company.signed_in_tokens()
        okta = Scim("Okta")
        path = f"/Users/{okta.person('bob', externalId='bob-at-idp')['id']}"
        for active in (False, True, False):
            okta.patch(path, {"op": "replace", "path": "active", "value": active})
        assert [one for one in told("Notes") if one.startswith("account-")] == [
            *("account-disabled", "account-enabled", "account-disabled"),
        ]

    def test_not_without_being_asked_for(self, company: Company) -> None:
        configure()
        Receiver(company).create()
        company.signed_in_tokens()
        switch("person", "bob")
        undo()
        assert told("Notes") == ["session-revoked"]

    def test_nothing_of_people_who_were_never_there(self, company: Company, notes: Receiver) -> None:
        """Attack: a receiver learns who has an account here."""
        switch("person", "bob")
        undo()
        assert told("Notes") == []


def suspend(client: str = "desktop-app") -> None:
    agent = Client.objects.get(client_id=client)
    assert agent_lifecycle.change_status(agent, "suspended", by=User.objects.get(username="alice"), now=now())


def suspend_by_the_file() -> None:
    uris = Client.objects.get(client_id="desktop-app").redirect_uris.split()
    apply(
        f"clients: [{{client_id: desktop-app, status: suspended, grant_types: [authorization_code, refresh_token], "
        f"token_endpoint_auth_method: none, redirect_uris: {uris}}}]"
    )


class TestSuspendedAgents:
    @pytest.mark.parametrize("how", [suspend, suspend_by_the_file])
    def test_who_verifies_alone_stops_at_once(self, company: Company, notes: Receiver, how: Callable[[], None]) -> None:
        tokens = company.signed_in_tokens()
        authorization = Authorization.objects.get(user=bob(), resource__identifier=NOTES)
        how()
        (row,) = waiting("Notes")
        assert row.event_type == EventType.SESSION_REVOKED.value
        assert row.subject["application"] == {"format": "opaque", "id": "desktop-app"}
        assert row.subject["session"] == {"format": "opaque", "id": str(authorization.pk)}
        assert row.claims["event_timestamp"] <= int(now().timestamp())
        # It rests, and has not ended: what the agent gets once it is approved again is newer than the event.
        Client.objects.filter(client_id="desktop-app").update(status="approved")
        assert company.refresh(tokens["refresh_token"]).status_code == 200

    def test_partners_that_took_its_id_jags(self, company: Company) -> None:
        configure(CHAT_RECEIVER)
        Receiver(company, "chat-receiver", CHAT_SECRET).create()
        assert company.exchange(company.login()["id_token"]).status_code == 200
        suspend("agent")
        (row,) = waiting("Chat")
        assert row.subject["application"] == {"format": "opaque", "id": "agent-at-chat"}

    def test_one_that_is_suspended_already_tells_nothing(self, company: Company, notes: Receiver) -> None:
        company.signed_in_tokens()
        suspend_by_the_file()
        suspend_by_the_file()
        assert len(waiting("Notes")) == 1


def grant(*scopes: str) -> None:
    """The receiver's own client was granted to read the person's claims."""
    Authorization.objects.create(
        client=Client.objects.get(client_id="notes-server"),
        user=bob(),
        grant_type="authorization_code",
        identity_scopes=["openid", *scopes],
        created=now(),
    )


def claims_told() -> list[dict[str, Any]]:
    return [row.claims["claims"] for row in waiting("Notes") if row.event_type == EventType.TOKEN_CLAIMS_CHANGE.value]


class TestClaims:
    def test_groups_by_each_way(self, company: Company, notes: Receiver) -> None:
        grant("groups")
        memberships.set_own(bob(), ["engineering", "sales"])
        Group.objects.get(name="sales").delete()
        group = Group.objects.get(name="engineering")
        group.name = "builders"
        group.save()
        memberships.set_own(bob(), [])
        assert claims_told() == [
            {"groups": ["engineering", "sales"]},
            {"groups": ["engineering"]},
            {"groups": ["builders"]},
            {"groups": []},
        ]

    def test_groups_by_a_directory(self, company: Company, notes: Receiver) -> None:
        apply(f"directories: [{{name: Okta, issuer: '{IDP}', subject: externalId, groups: ['*']}}]")
        company.idp_link("bob")
        grant("groups")
        okta = Scim("Okta")
        key = okta.person("bob", externalId="bob-at-idp")["id"]
        path = f"/Groups/{okta.group('okta-1', key)['id']}"
        okta.patch(path, {"op": "remove", "path": "members", "value": [{"value": key}]})
        assert claims_told() == [{"groups": ["engineering", "okta-1"]}, {"groups": ["engineering"]}]

    def test_addresses_and_names(self, company: Company, notes: Receiver) -> None:
        grant("email", "profile")
        user = bob()
        user.email, user.first_name = "bob@elsewhere.example", "Robert"
        user.save()
        (said,) = claims_told()
        assert (said["email"], said["given_name"]) == ("bob@elsewhere.example", "Robert")
        assert "groups" not in said
        user.email = ""
        user.save()
        assert claims_told()[-1]["email"] == ""

    @pytest.mark.parametrize("scopes", [[], ["profile"], ["email"]])
    def test_only_what_its_client_may_read(self, scopes: list[str], company: Company, notes: Receiver) -> None:
        """Attack: a receiver learns a person's groups, which no one granted it."""
        grant(*scopes)
        company.signed_in_tokens()
        memberships.set_own(bob(), ["engineering", "secret-project"])
        assert claims_told() == []

    def test_nothing_once_the_grant_has_ended(self, company: Company, notes: Receiver) -> None:
        grant("groups")
        Authorization.objects.filter(client__client_id="notes-server").update(revoked=now())
        memberships.set_own(bob(), [])
        assert claims_told() == []


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_once_the_last_event_says_both(company: Company, notes: Receiver) -> None:
    grant("groups")
    Group.objects.bulk_create([Group(name="one"), Group(name="two")])

    def join(name: str) -> None:
        with unit_of_work():
            bob().groups.add(Group.objects.get(name=name))

    at_once([lambda name=name: join(name) for name in ("one", "two")])  # type: ignore[misc]
    assert set(claims_told()[-1]["groups"]) == {"engineering", "one", "two"}
