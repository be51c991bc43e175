"""ID-JAGs that are bound to a key (ID-JAG §8.6), on both legs."""

import json
from typing import Any

import pytest

from authz.models import AuditEvent, ProtectedResource
from tests.support.dpop import DpopKey
from tests.support.world import NOTES, VERIFIER, basic_header, claims, client
from tests.xaa.company import AGENT, JWT_BEARER, REFRESH_TOKEN_TYPE, TOKEN_EXCHANGE, Company

BASIC = basic_header(*AGENT)


def redeemed(company: Company, assertion: str, key: DpopKey | None, **proof: Any) -> Any:
    headers = {"dpop": key.proof(**proof)} if key else {}
    form = {"grant_type": JWT_BEARER, "assertion": assertion}
    return company.post("token", form, authorization=BASIC, **headers)


def refusal(response: Any) -> tuple[int, str]:
    return response.status_code, json.loads(response.content).get("error", "")


def exchanged(company: Company, key: DpopKey | None) -> Any:
    form = company.exchange_form(company.login()["id_token"])
    return company.post("token", form, authorization=BASIC, **({"dpop": key.proof()} if key else {}))


def test_it_is_issued_with_the_key_that_the_client_showed(company: Company) -> None:
    """> the IdP MUST include a `cnf` claim in the issued ID-JAG"""
    key = DpopKey()
    answer = json.loads(exchanged(company, key).content)
    assert answer["token_type"] == "N_A"
    assert claims(answer["access_token"])["cnf"] == {"jkt": key.jkt}
    assert AuditEvent.objects.filter(event="token:id_jag:issued").latest("pk").detail["cnf"] == {"jkt": key.jkt}
    assert "cnf" not in claims(json.loads(exchanged(company, None).content)["access_token"])


def test_it_is_redeemed_with_its_key(company: Company) -> None:
    key = DpopKey()
    answer = redeemed(company, company.idp.id_jag(cnf={"jkt": key.jkt}), key)
    assert json.loads(answer.content)["token_type"] == "DPoP"
    assert claims(json.loads(answer.content)["access_token"])["cnf"] == {"jkt": key.jkt}


OWNER = DpopKey()


@pytest.mark.parametrize(
    ("cnf", "key"),
    [
        ({"jkt": OWNER.jkt}, None),
        ({"jkt": OWNER.jkt}, DpopKey()),
        ({"jkt": [OWNER.jkt]}, OWNER),
        ({"jkt": OWNER.jkt, "x5t#S256": "a"}, OWNER),
        ({"x5t#S256": "a"}, OWNER),
        ({}, OWNER),
        (None, OWNER),
    ],
    ids=["no proof", "another key", "a list", "and a certificate", "a certificate", "empty", "null is left out"],
)
def test_a_thief_of_it_has_not_the_key(company: Company, cnf: Any, key: DpopKey | None) -> None:
    assertion = company.idp.id_jag(cnf=cnf)
    expected = 200 if cnf is None else 400
    answer = redeemed(company, assertion, key)
    assert answer.status_code == expected, answer.content
    if expected == 400:
        assert refusal(answer) == (400, "invalid_grant")
        # It is not used up: its owner may still present it.
        assert cnf != {"jkt": OWNER.jkt} or redeemed(company, assertion, OWNER).status_code == 200


def test_a_resource_that_demands_a_key_gets_it_or_refuses(company: Company) -> None:
    """> if the Resource Server configuration […] requires constrained tokens […] `invalid_grant`"""
    ProtectedResource.objects.filter(identifier=NOTES).update(dpop_bound_access_tokens_required=True)
    assertion = company.idp.id_jag()
    assert refusal(redeemed(company, assertion, None)) == (400, "invalid_grant")
    assert redeemed(company, assertion, DpopKey()).status_code == 200


def test_the_answer_is_repeated_for_the_same_key_and_a_new_proof_alone(company: Company) -> None:
    key, assertion = DpopKey(), company.idp.id_jag()
    first = redeemed(company, assertion, key, jti="first")
    assert redeemed(company, assertion, key).content == first.content
    assert refusal(redeemed(company, assertion, key, jti="first")) == (400, "invalid_dpop_proof")
    assert refusal(redeemed(company, assertion, DpopKey())) == (400, "invalid_grant")
    assert refusal(redeemed(company, assertion, None)) == (400, "invalid_grant")


def test_a_stolen_refresh_token_is_not_exchanged_without_its_key(company: Company) -> None:
    """Attack: a bound refresh token, which cannot be refreshed, becomes an ID-JAG."""
    key = DpopKey()
    code = company.authorize(client_id=AGENT[0], scope="openid", resource=None)["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    tokens = json.loads(company.post("token", form, authorization=BASIC, dpop=key.proof()).content)
    stolen = company.exchange_form(tokens["refresh_token"], subject_token_type=REFRESH_TOKEN_TYPE)
    assert refusal(company.post("token", stolen, authorization=BASIC)) == (400, "invalid_dpop_proof")
    assert company.post("token", stolen, authorization=BASIC, dpop=key.proof()).status_code == 200


def test_no_proof_no_exchange_where_the_client_is_bound(company: Company) -> None:
    row = client(AGENT[0])
    row.dpop_bound_access_tokens = True
    token = company.login()["id_token"]
    row.save()
    form = company.exchange_form(token)
    assert form["grant_type"] == TOKEN_EXCHANGE
    assert refusal(company.post("token", form, authorization=BASIC)) == (400, "invalid_dpop_proof")
    assert company.post("token", form, authorization=BASIC, dpop=DpopKey().proof()).status_code == 200
