"""Attacks 14 and 18: trust that was withdrawn, and trust that was never given."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from authz.models import Client, Rule, User
from tests.support.world import World
from tests.xaa import company as organisation
from tests.xaa.company import AGENT, Company, refused
from xaa.models import SubjectLink, TrustedIssuer


@pytest.fixture
def company(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> Company:
    return organisation.with_keys(organisation.build(), monkeypatch)


def withdraw(what: str) -> tuple[int, str]:
    """Take something away that an ID-JAG rests on; the answer that follows."""
    if what == "issuer":
        issuer = TrustedIssuer.objects.get()
        issuer.enabled = False
        issuer.save()
    elif what == "issuer by a bulk update":
        TrustedIssuer.objects.update(enabled=False)
    elif what == "issuer's row":
        TrustedIssuer.objects.get().delete()
    elif what == "what the issuer is trusted for":
        issuer = TrustedIssuer.objects.get()
        issuer.accepts = ["id_token"]
        issuer.save()
    elif what == "what the issuer is trusted for, by a bulk update":
        TrustedIssuer.objects.update(accepts=["id_token"])
    elif what == "person":
        User.objects.filter(username="bob").update(is_active=False)
    elif what == "rule":
        rule = Rule.objects.get(name="Engineers reach Notes across apps")
        past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
        rule.definition = {**rule.definition, "conditions": {"not_after": past}}
        rule.save()
    elif what == "rule, switched off":
        Rule.objects.filter(name="Engineers reach Notes across apps").update(enabled=False)
    elif what == "agent":
        Client.objects.filter(client_id=AGENT[0]).update(status="suspended")
        return 400, "unauthorized_client"
    return 400, "invalid_grant"


WHAT = [
    "issuer",
    "issuer by a bulk update",
    "issuer's row",
    "what the issuer is trusted for",
    "what the issuer is trusted for, by a bulk update",
    "person",
    "rule",
    "rule, switched off",
    "agent",
]


@pytest.mark.parametrize("what", WHAT)
def test_an_unexpired_id_jag_is_refused_once_trust_is_withdrawn(company: Company, what: str) -> None:
    """Attack 14 (CVE-2026-1486)."""
    assert company.redeem_assertion(company.idp.id_jag()).status_code == 200
    waiting = company.idp.id_jag()
    answer = withdraw(what)
    assert refused(company.redeem_assertion(waiting)) == answer


@pytest.mark.parametrize("what", WHAT)
def test_what_an_id_jag_led_to_is_inactive_at_once(company: Company, what: str) -> None:
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    assert company.introspect(token)["active"] is True
    withdraw(what)
    assert company.introspect(token) == {"active": False}


@pytest.mark.parametrize("what", ["issuer by a bulk update", "what the issuer is trusted for, by a bulk update"])
def test_what_a_workload_was_given_is_inactive_at_once(company: Company, what: str) -> None:
    token = json.loads(company.redeem_assertion(company.idp.workload(), basic=None).content)["access_token"]
    assert company.introspect(token)["active"] is True
    withdraw(what)
    assert company.introspect(token) == {"active": False}


@pytest.mark.parametrize("how", ["one", "many"])
def test_unlinking_a_person_ends_what_rests_on_the_link(company: Company, how: str) -> None:
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    if how == "one":
        SubjectLink.objects.get().delete()
    else:
        SubjectLink.objects.all().delete()
    assert company.introspect(token) == {"active": False}


def test_an_issuer_that_is_trusted_again_has_the_authorizations_that_were_not_ended(company: Company) -> None:
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    TrustedIssuer.objects.update(enabled=False)
    assert company.introspect(token) == {"active": False}
    TrustedIssuer.objects.update(enabled=True)
    assert company.introspect(token)["active"] is True


def test_an_empty_list_of_issuers_trusts_no_one(company: Company) -> None:
    """Attack 18: Janssen trusts any issuer when its list is empty."""
    TrustedIssuer.objects.all().delete()
    for assertion in (company.idp.id_jag(), company.idp.id_jag(iss="https://any.example")):
        assert refused(company.redeem_assertion(assertion)) == (400, "invalid_grant")
    assert refused(company.exchange(company.idp.id_token())) == (400, "invalid_grant")
    assert refused(company.redeem_assertion(company.idp.workload(), basic=None, client_id="wif-workload")) == (
        400,
        "invalid_grant",
    )


def test_an_issuer_that_is_trusted_for_nothing_is_believed_in_nothing(company: Company) -> None:
    TrustedIssuer.objects.update(accepts=[])
    assert refused(company.redeem_assertion(company.idp.id_jag())) == (400, "invalid_grant")
    assert refused(company.exchange(company.idp.id_token())) == (400, "invalid_grant")


@pytest.mark.parametrize("accepted", ["id-jag", "id_token", "workload"])
def test_an_issuer_is_believed_only_for_what_it_is_trusted_for(company: Company, accepted: str) -> None:
    TrustedIssuer.objects.update(accepts=[accepted])
    answers = {
        "id-jag": company.redeem_assertion(company.idp.id_jag()),
        "id_token": company.exchange(company.idp.id_token()),
        "workload": company.redeem_assertion(company.idp.workload(), basic=None, client_id="wif-workload"),
    }
    assert {use for use, answer in answers.items() if answer.status_code == 200} == {accepted}
