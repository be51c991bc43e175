"""Addresses of an issuer that says nothing of `email_verified`, end to end; and none is passed over without a word."""

import json
from typing import Any

import pytest

from authz.configuration import apply
from authz.models import AuditEvent, User
from tests.support.world import person
from tests.xaa.company import IDP, IDP_JWKS, Company, refused
from xaa.models import SubjectLink, TrustedIssuer

REFUSED = (400, "invalid_grant")


def configured(**keys: Any) -> None:
    entry = {
        "issuer": IDP,
        "jwks_uri": IDP_JWKS,
        "accepts": ["id-jag"],
        "subjects": {"match": ["sub", "email"]},
        **keys,
    }
    apply(json.dumps({"trusted_issuers": [entry]}))


TRUSTED = {"email_trusted": True, "email_domains": ["example.com"]}


def test_an_issuer_that_is_trusted_for_a_domain_needs_no_word_about_it(company: Company) -> None:
    configured(**TRUSTED)
    assert company.redeem_assertion(company.idp.id_jag(email_verified=None)).status_code == 200
    assert SubjectLink.objects.get().user == person("bob")


@pytest.mark.parametrize(
    ("keys", "claims", "why"),
    [
        ({}, {"email_verified": None}, "unverified"),
        ({}, {"email_verified": False}, "unverified"),
        (TRUSTED, {"email_verified": False}, "unverified"),
        (TRUSTED | {"email_domains": ["acme.com"]}, {"email_verified": None}, "foreign_domain"),
        (TRUSTED | {"email_domains": ["acme.com"]}, {"email_verified": True}, "foreign_domain"),
        (TRUSTED, {"email_verified": None, "tenant": "evil"}, "tenant_not_named"),
    ],
)
def test_an_address_that_finds_a_person_and_is_not_used_is_told(
    company: Company, keys: dict[str, Any], claims: dict[str, Any], why: str
) -> None:
    configured(**keys)
    assert refused(company.redeem_assertion(company.idp.id_jag(**claims))) == REFUSED
    event = AuditEvent.objects.filter(event="token:access:refused").last()
    assert event is not None
    assert event.reason in {"subject_address_unused", "subject_not_linked"}
    assert why in str(event.detail)
    assert not SubjectLink.objects.exists()


@pytest.mark.parametrize("claims", [{"email_verified": None}, {"email_verified": "no"}])
def test_no_second_person_is_made_beside_the_one_who_has_the_address(company: Company, claims: dict[str, Any]) -> None:
    configured(subjects={"match": ["sub", "email"], "create": True})
    before = User.objects.count()
    assert refused(company.redeem_assertion(company.idp.id_jag(**claims))) == REFUSED
    assert User.objects.count() == before


@pytest.mark.parametrize(
    ("subjects", "claims", "why"),
    [
        ({"match": ["sub"], "create": True}, {}, "not_matched_by_address"),
        ({"match": ["sub"], "create": True}, {"email_verified": None}, "unverified"),
        ({"match": ["sub", "email"], "create": True}, {"tenant": "other"}, "tenant_not_named"),
    ],
)
def test_one_who_is_made_beside_is_told(
    company: Company, subjects: dict[str, Any], claims: dict[str, Any], why: str
) -> None:
    configured(subjects=subjects)
    company.redeem_assertion(company.idp.id_jag(groups=None, **claims))
    event = AuditEvent.objects.filter(event="subject:address:unused").first()
    if event is None:  # the rules refused: what the assertion says has taken effect all the same
        raise AssertionError(list(AuditEvent.objects.values_list("event", "reason")))
    assert event.detail["why"] == why
    assert event.detail["people"] == [str(person("bob").subject)]


def test_two_tenants_of_one_issuer_speak_each_for_itself(company: Company) -> None:
    """An administrator of another tenant could verify any address there: it finds no person until the tenant is
    named.
    """
    configured(**TRUSTED, subjects={"match": ["sub", "email"], "tenants": ["acme"]})
    evil = company.idp.id_jag(email_verified=None, tenant="evil")
    assert refused(company.redeem_assertion(evil)) == REFUSED
    assert company.redeem_assertion(company.idp.id_jag(email_verified=None, tenant="acme")).status_code == 200
    link = SubjectLink.objects.get()
    assert (link.tenant, link.user) == ("acme", person("bob"))
    assert TrustedIssuer.objects.get().tenants == ["acme"]
