"""Attacks 22, 23 and 24: whose token it is, who the person is, and what a refusal gives away."""

import json
import time
from typing import Any

import pytest

from authz.models import AuditEvent, User
from tests.support.world import World, claims, person, without_reference
from tests.xaa import company as organisation
from tests.xaa.company import CHARLIES_AGENT, REFRESH_TOKEN_TYPE, Company, Idp, refused
from xaa.models import Session, SubjectLink, TrustedIssuer

REFUSED = (400, "invalid_grant")


@pytest.fixture
def company(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> Company:
    return organisation.with_keys(organisation.build(), monkeypatch)


# --- 22: subject_token confusion ------------------------------------------------------------------------------------


def test_another_clients_subject_token_is_refused(company: Company) -> None:
    tokens = company.login()
    assert refused(company.exchange(tokens["id_token"], CHARLIES_AGENT)) == REFUSED
    stolen = company.exchange(tokens["refresh_token"], CHARLIES_AGENT, subject_token_type=REFRESH_TOKEN_TYPE)
    assert refused(stolen) == REFUSED


def test_a_revoked_session_mints_nothing(company: Company) -> None:
    tokens = company.login()
    Session.objects.all().delete()
    assert refused(company.exchange(tokens["id_token"])) == REFUSED
    assert refused(company.exchange(tokens["refresh_token"], subject_token_type=REFRESH_TOKEN_TYPE)) == REFUSED


def test_another_persons_session_is_not_accepted(company: Company) -> None:
    token = company.login()["id_token"]
    Session.objects.update(user=person("charlie"))
    assert refused(company.exchange(token)) == REFUSED


NOW = int(time.time())


@pytest.mark.parametrize(
    ("token", "changes", "answer"),
    [
        ("access_token", {}, REFUSED),
        ("refresh_token", {}, REFUSED),  # called an ID token
        ("id_token", {"subject_token_type": REFRESH_TOKEN_TYPE}, REFUSED),
        ("access_token", {"subject_token_type": REFRESH_TOKEN_TYPE}, REFUSED),
        ("id_token", {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, (400, "invalid_request")),
        ("id_token", {"actor_token": "a.b.c"}, (400, "invalid_request")),
        ("id_token", {"audience": [organisation.CHAT, organisation.CHAT]}, (400, "invalid_target")),
        ("id_token", {"audience": organisation.CHAT.rstrip("/")}, (400, "invalid_target")),
        ("id_token", {"audience": organisation.CHAT.replace("https", "HTTPS")}, (400, "invalid_target")),
        ("id_token", {"audience": organisation.CHAT + "x/.."}, (400, "invalid_target")),
    ],
)
def test_a_subject_token_is_what_it_is(
    company: Company, token: str, changes: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert refused(company.exchange(company.login()[token], **changes)) == answer


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": ["agent-at-idp", "charlies-agent-at-idp"]},
        {"aud": "charlies-agent-at-idp"},
        {"exp": NOW - 60, "iat": NOW - 600},
        {"typ": "at+jwt"},
    ],
)
def test_a_foreign_id_token_is_refused(company: Company, changes: dict[str, Any]) -> None:
    assert refused(company.exchange(company.idp.id_token(**changes))) == REFUSED


# --- 23: subject takeover ---------------------------------------------------------------------------------------------


@pytest.fixture
def second(company: Company, monkeypatch: pytest.MonkeyPatch) -> Idp:
    """A second trusted issuer that makes people, with the same key set at hand under its own address."""
    TrustedIssuer.objects.create(
        issuer="https://second.example",
        name="Second",
        jwks_uri=organisation.IDP_JWKS,
        accepts=["id-jag"],
        match=["sub"],
        create=True,
    )
    idp = Idp("https://second.example")
    idp.key, idp.kid = company.idp.key, company.idp.kid
    return idp


def subject_of(response: Any) -> str:
    return str(claims(json.loads(response.content)["access_token"])["sub"])


def for_everybody() -> None:
    """A rule that allows every signed-in person, so that only the identity matters."""
    from authz.models import Rule

    rule = Rule.objects.get(name="Engineers reach Notes across apps")
    rule.definition = {**rule.definition, "groups": ["*"]}
    rule.save()


def test_the_same_sub_of_another_issuer_is_another_person(company: Company, second: Idp) -> None:
    for_everybody()
    company.idp_link("bob")
    ours = company.redeem_assertion(company.idp.id_jag(email=None))
    theirs = company.redeem_assertion(second.id_jag(email=None))
    assert subject_of(ours) == str(person("bob").subject)
    assert subject_of(theirs) != subject_of(ours)


def test_the_same_sub_of_another_tenant_is_another_person(company: Company, second: Idp) -> None:
    for_everybody()
    subjects = {
        subject_of(company.redeem_assertion(second.id_jag(email=None, tenant=tenant))) for tenant in (None, "a", "b")
    }
    assert len(subjects) == 3
    TrustedIssuer.objects.filter(issuer=second.issuer).update(tenants=["a"])
    assert company.redeem_assertion(second.id_jag(email=None, tenant="a")).status_code == 200
    for tenant in (None, "b"):
        assert refused(company.redeem_assertion(second.id_jag(email=None, tenant=tenant))) == REFUSED


@pytest.mark.parametrize("verified", [None, False, "false", 1, "1", "yes", "", "truer", {}, [True]])
def test_an_unverified_address_finds_no_person(company: Company, verified: Any) -> None:
    assert refused(company.redeem_assertion(company.idp.id_jag(email_verified=verified))) == REFUSED
    assert not SubjectLink.objects.exists()


def test_an_address_finds_no_person_unless_configured(company: Company, second: Idp) -> None:
    for_everybody()
    response = company.redeem_assertion(second.id_jag())  # Bob's verified address, by an issuer that matches by sub
    assert subject_of(response) != str(person("bob").subject)
    assert User.objects.filter(email__iexact="bob@example.com").count() == 1


def test_another_tenants_administrator_cannot_verify_an_address_into_an_account(company: Company) -> None:
    assert refused(company.redeem_assertion(company.idp.id_jag(tenant="evil"))) == REFUSED
    assert not SubjectLink.objects.exists()


def test_a_recycled_address_does_not_inherit_the_account(company: Company) -> None:
    assert company.redeem_assertion(company.idp.id_jag()).status_code == 200
    newcomer = company.idp.id_jag(sub="new-bob-at-idp")
    assert refused(company.redeem_assertion(newcomer)) == REFUSED
    assert AuditEvent.objects.filter(reason="subject_linked_otherwise").exists()


def test_an_ambiguous_address_finds_no_person(company: Company) -> None:
    User.objects.filter(username="charlie").update(email="BOB@example.com")
    assert refused(company.redeem_assertion(company.idp.id_jag())) == REFUSED


def test_an_issuer_cannot_name_our_accounts(company: Company) -> None:
    """`aud_sub` is our id of the person; an issuer that could set it could take over any account."""
    alice = str(person("alice").subject)
    for named in ({"aud_sub": alice}, {"sub": alice}, {"preferred_username": "alice"}, {"username": "alice"}):
        response = company.redeem_assertion(company.idp.id_jag(**named))
        if response.status_code == 200:
            assert subject_of(response) == str(person("bob").subject)
        SubjectLink.objects.all().delete()
    assert refused(company.redeem_assertion(company.idp.id_jag(aud_sub=alice, email=None))) == REFUSED


def test_a_person_created_by_an_issuer_has_no_rights_yet(company: Company, second: Idp) -> None:
    """A new person has no role and no groups, and no name that a rule may already speak of."""
    response = company.redeem_assertion(second.id_jag(sub="alice", email="alice@evil.example", groups=["engineering"]))
    assert refused(response) == REFUSED
    made = User.objects.get(email="alice@evil.example")
    assert made.username != "alice"
    assert (made.role, made.is_staff, made.is_superuser, made.groups.count()) == ("none", False, False, 0)


# --- 24: the text of errors as an oracle ------------------------------------------------------------------------------


def test_refusals_are_all_alike(company: Company) -> None:
    company.idp_link("charlie")
    wrong = [
        company.idp.id_jag(iss="https://unknown.example"),
        company.idp.id_jag(sub="nobody", email=None),
        company.idp.id_jag(sub="charlie-at-idp", email=None),
        company.idp.id_jag(exp=NOW - 100, iat=NOW - 400),
        company.idp.id_jag(aud="https://other.example"),
        company.idp.id_jag(client_id=CHARLIES_AGENT[0]),
        company.idp.id_jag()[:-8] + "AAAAAAAA",
        Idp().id_jag(),
        "not.a.jwt",
        "garbage",
    ]
    User.objects.filter(username="alice").update(is_active=False)
    company.idp_link("alice")
    wrong.append(company.idp.id_jag(sub="alice-at-idp", email=None))
    answers = {without_reference(company.redeem_assertion(assertion)) for assertion in wrong}
    assert len(answers) == 1
    reasons = set(AuditEvent.objects.filter(event="token:access:refused").values_list("reason", flat=True))
    assert len(reasons) >= 9  # the operator sees what was wrong


def test_a_refusal_holds_nothing_of_the_assertion(company: Company) -> None:
    assertion = company.idp.id_jag(sub="<script>alert(1)</script>", email="canary@example.com")
    response = company.redeem_assertion(assertion)
    for canary in ("canary", "<script", organisation.IDP, assertion):
        assert canary not in response.content.decode()
    recorded = json.dumps(list(AuditEvent.objects.values_list("detail", flat=True)))
    assert assertion not in recorded
    assert assertion.rpartition(".")[2] not in recorded
