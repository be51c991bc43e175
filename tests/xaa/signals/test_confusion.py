"""Attack 23: a transmitter speaks of its own people alone, whatever its subjects name."""

from typing import Any

import pytest

from authz.conf import conf
from authz.configuration import apply
from authz.models import User
from tests.support.world import person
from tests.xaa.company import IDP, Company
from tests.xaa.signals.transmitter import BOB, Transmitter, configure
from xaa.models import Directory, ReceivedSignal, SignalSourceState, SubjectLink, TrustedIssuer
from xaa.signals.event_types import EventType
from xaa.signals.receiving import inbox

DISABLED = EventType.ACCOUNT_DISABLED
OTHER = "https://other-idp.example"
TENANT = {"format": "opaque", "id": "acme"}
OTHER_TENANT = {"format": "opaque", "id": "globex"}
EMAIL = {"format": "email", "email": "bob@example.com"}
CAROL = {"format": "iss_sub", "iss": IDP, "sub": "carol-at-idp"}


def complex_(**members: Any) -> dict[str, Any]:
    return {"format": "complex", **members}


def aliases(*identifiers: Any) -> dict[str, Any]:
    return {"format": "aliases", "identifiers": list(identifiers)}


# The person that it is about → what comes of it.
SUBJECTS: list[tuple[str, Any, str]] = [
    ("iss_sub", BOB, "acted"),
    ("email", EMAIL, "acted"),
    ("email in another case", {"format": "email", "email": "Bob@Example.com"}, "acted"),
    ("account", {"format": "account", "uri": "acct:bob@example.com"}, "acted"),
    ("opaque", {"format": "opaque", "id": "bob-at-idp"}, "acted"),
    ("aliases", aliases({"format": "phone_number", "phone_number": "+12065550100"}, EMAIL, BOB), "acted"),
    ("user", complex_(user=BOB), "acted"),
    ("user and device", complex_(user=EMAIL, device=CAROL), "acted"),
    ("user and what the issuer calls itself", complex_(user=BOB, tenant=TENANT), "acted"),
    ("another issuer", BOB | {"iss": OTHER}, "refused"),
    ("another issuer's spelling", BOB | {"iss": f"{IDP}/"}, "refused"),
    ("another issuer among aliases", aliases(BOB, BOB | {"iss": OTHER}), "refused"),
    ("two people", aliases(BOB, CAROL), "refused"),
    ("another issuer's user", complex_(user=BOB | {"iss": OTHER}), "refused"),
    ("another issuer's token", {"format": "jwt_id", "iss": OTHER, "jti": "1"}, "refused"),
    ("someone who is not linked", BOB | {"sub": "dora-at-idp"}, "no_person"),
    ("an address of one who is not linked", {"format": "email", "email": "alice@example.com"}, "no_person"),
    ("a user name", {"format": "opaque", "id": "bob"}, "no_person"),
    ("a session alone", complex_(session=TENANT), "no_person"),
    ("a device alone", complex_(device=BOB), "no_person"),
    ("a whole tenant", complex_(tenant=TENANT), "no_person"),
    ("a group", complex_(group=BOB), "no_person"),
    ("a token that is not known", {"format": "jwt_id", "iss": IDP, "jti": "1"}, "no_person"),
    ("a phone", {"format": "phone_number", "phone_number": "+12065550100"}, "no_person"),
    ("a DID", {"format": "did", "url": "did:example:123456"}, "no_person"),
    ("a format of theirs", {"format": "catalog_item", "catalog_id": "1"}, "no_person"),
]


@pytest.fixture
def carol(okta: Transmitter) -> None:
    SubjectLink.objects.create(issuer=okta.source.issuer, subject="carol-at-idp", user=person("charlie"))


@pytest.mark.usefixtures("carol")
@pytest.mark.parametrize(("subject", "outcome"), [row[1:] for row in SUBJECTS], ids=[row[0] for row in SUBJECTS])
def test_the_person_that_a_subject_names(okta: Transmitter, subject: Any, outcome: str) -> None:
    okta.send(DISABLED, subject)
    row = ReceivedSignal.objects.get()
    assert row.outcome == outcome, row.note
    assert person("bob").is_active is (outcome != "acted")
    assert person("charlie").is_active


def test_a_subject_of_ours_counts_for_its_own_people(okta: Transmitter) -> None:
    alice, bob = str(person("alice").subject), str(person("bob").subject)
    okta.send(DISABLED, {"format": "iss_sub", "iss": conf.issuer, "sub": alice})
    okta.send(DISABLED, {"format": "iss_sub", "iss": conf.issuer, "sub": "alice"})
    assert person("alice").is_active
    okta.send(DISABLED, {"format": "iss_sub", "iss": conf.issuer, "sub": bob})
    assert not person("bob").is_active


def test_a_token_names_its_person(company: Company, okta: Transmitter) -> None:
    company.redeem_assertion(company.idp.id_jag(jti="the-id-jag"))
    okta.send(DISABLED, {"format": "jwt_id", "iss": IDP, "jti": "the-id-jag"})
    assert not person("bob").is_active


class TestTwoIssuers:
    """The same `sub`, and the same address, at two issuers."""

    @pytest.fixture
    def other(self, okta: Transmitter) -> TrustedIssuer:
        apply(f"trusted_issuers: [{{issuer: '{OTHER}', accepts: [id-jag]}}]")
        issuer = TrustedIssuer.objects.get(issuer=OTHER)
        SubjectLink.objects.create(issuer=issuer, subject="bob-at-idp", user=person("charlie"))
        User.objects.filter(username="charlie").update(email="charlie@example.com")
        return issuer

    @pytest.mark.usefixtures("other")
    def test_each_of_its_own(self, okta: Transmitter) -> None:
        okta.send(DISABLED, BOB)
        assert (person("bob").is_active, person("charlie").is_active) == (False, True)

    @pytest.mark.usefixtures("other")
    def test_an_address_of_the_others_person(self, okta: Transmitter) -> None:
        okta.send(DISABLED, {"format": "email", "email": "charlie@example.com"})
        assert person("charlie").is_active
        assert ReceivedSignal.objects.get().outcome == "no_person"

    def test_a_set_of_the_other_does_not_count_here(self, okta: Transmitter, other: TrustedIssuer) -> None:
        found = okta.push(okta.set(DISABLED, iss=OTHER))
        assert (found.status, found.body["err"]) == (400, "invalid_issuer")


class TestTenants:
    """Of one issuer with many tenants, each stream speaks for its own."""

    @pytest.fixture
    def acme(self, okta: Transmitter) -> Transmitter:
        issuer = okta.source.issuer
        issuer.tenants = ["acme", "globex"]
        issuer.save()
        SubjectLink.objects.update(tenant="acme")
        SubjectLink.objects.create(issuer=issuer, tenant="globex", subject="bob-at-idp", user=person("charlie"))
        configure(tenant="acme")
        return okta

    @pytest.mark.parametrize(
        ("subject", "outcome"),
        [
            (BOB, "acted"),
            (complex_(user=BOB, tenant=TENANT), "acted"),
            (complex_(user=BOB, tenant=OTHER_TENANT), "refused"),
            (complex_(user=BOB, tenant={"format": "did", "url": "did:example:1"}), "refused"),
        ],
    )
    def test_a_stream_of_one(self, acme: Transmitter, subject: Any, outcome: str) -> None:
        acme.send(DISABLED, subject)
        assert ReceivedSignal.objects.get().outcome == outcome
        assert person("bob").is_active is (outcome != "acted")
        assert person("charlie").is_active

    @pytest.mark.parametrize(
        ("subject", "outcome"),
        [
            (BOB, "no_person"),
            (complex_(user=BOB, tenant=OTHER_TENANT), "acted"),
            (complex_(user=BOB, tenant={"format": "opaque", "id": "initech"}), "refused"),
        ],
    )
    def test_a_stream_of_all(self, acme: Transmitter, subject: Any, outcome: str) -> None:
        configure(tenant="")
        acme.send(DISABLED, subject)
        assert ReceivedSignal.objects.get().outcome == outcome
        assert person("charlie").is_active is (outcome != "acted")
        assert person("bob").is_active


def test_people_of_the_issuers_directory(okta: Transmitter) -> None:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    directory = Directory.objects.create(name="Okta", issuer=okta.source.issuer)
    other = Directory.objects.create(name="Own")
    for where, user in ((directory, person("charlie")), (other, person("alice"))):
        where.people.create(
            user=user, user_name="ann@acme.example", user_name_key="ann@acme.example", created=now, modified=now
        )
    okta.send(DISABLED, {"format": "email", "email": "Ann@acme.example"})
    assert (person("charlie").is_active, person("alice").is_active) == (False, True)


def test_two_people_with_one_address(okta: Transmitter) -> None:
    User.objects.filter(username="charlie").update(email="bob@example.com")
    SubjectLink.objects.create(issuer=okta.source.issuer, subject="carol-at-idp", user=person("charlie"))
    okta.send(DISABLED, EMAIL)
    assert ReceivedSignal.objects.get().note == "Several people have this address."
    assert person("bob").is_active


def test_a_critical_member_that_is_not_understood(okta: Transmitter) -> None:
    inbox.state_of(okta.source)
    SignalSourceState.objects.update(critical=["tenant", "org_unit"])
    okta.send(DISABLED, complex_(user=BOB, tenant=TENANT))
    assert not person("bob").is_active
    User.objects.filter(username="bob").update(is_active=True)
    okta.send(DISABLED, complex_(user=BOB, org_unit=TENANT))
    assert person("bob").is_active
