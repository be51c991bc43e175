"""Attacks 16, 17, 19, 20 and 21: one token taken for another, by another, or for more."""

import json
import time
from typing import Any

import pytest

from authz.conf import conf
from authz.models import Client
from tests.protocol.test_jwts import encoded, hmac_with_the_public_key
from tests.support.world import NOTES, PAYROLL, World
from tests.xaa import company as organisation
from tests.xaa.company import AGENT, CHARLIES_AGENT, JWT_BEARER, Company, Idp, refused
from xaa.models import TrustedIssuer

REFUSED = (400, "invalid_grant")


@pytest.fixture
def company(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> Company:
    return organisation.with_keys(organisation.build(), monkeypatch)


@pytest.mark.parametrize(
    "audience",
    [
        [conf.issuer, "https://other.example"],
        ["https://other.example", conf.issuer],
        [conf.issuer, conf.issuer],
        [],
        f"{conf.issuer}/token",
        NOTES,
        f"{conf.issuer}/",
        conf.issuer.upper(),
        "https://other.example",
        None,
    ],
)
def test_an_id_jag_is_for_us_alone(company: Company, audience: Any) -> None:
    """Attack 16."""
    assert refused(company.redeem_assertion(company.idp.id_jag(aud=audience))) == REFUSED


def test_an_id_token_is_no_id_jag(company: Company) -> None:
    assert refused(company.redeem_assertion(company.idp.id_token())) == REFUSED
    assert refused(company.redeem_assertion(company.idp.id_token(aud=conf.issuer, client_id=AGENT[0]))) == REFUSED
    assert refused(company.redeem_assertion(company.login()["id_token"])) == REFUSED


def test_an_access_token_is_no_id_jag(company: Company) -> None:
    assert refused(company.redeem_assertion(company.machine_token()["access_token"])) == REFUSED
    assert refused(company.redeem_assertion(company.idp.id_jag(typ="at+jwt"))) == REFUSED


def test_an_id_jag_is_no_client_assertion(company: Company) -> None:
    response = company.token(
        grant_type="client_credentials",
        client_assertion=company.idp.id_jag(sub="signing-agent", iss="signing-agent"),
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    )
    assert refused(response) == (401, "invalid_client")


def test_an_id_jag_is_no_access_token(company: Company) -> None:
    assert company.introspect(company.idp.id_jag()) == {"active": False}
    ours = json.loads(company.exchange(company.login()["id_token"]).content)["access_token"]
    assert company.introspect(ours) == {"active": False}
    response = company.browser.get("/o/userinfo", headers={"authorization": f"Bearer {ours}"})
    assert response.status_code == 401


@pytest.mark.parametrize("typ", ["", "JWT", "jwt", "at+jwt", "application/AT+JWT", "text/oauth-id-jag+jwt"])
def test_only_its_own_typ_makes_an_id_jag(company: Company, typ: str) -> None:
    """Attack 17."""
    assert refused(company.redeem_assertion(company.idp.id_jag(typ=typ))) == REFUSED


@pytest.mark.parametrize("typ", ["application/oauth-id-jag+jwt", "OAUTH-ID-JAG+JWT", "Application/OAuth-ID-JAG+JWT"])
def test_a_media_type_is_spelled_in_several_ways(company: Company, typ: str) -> None:
    assert company.redeem_assertion(company.idp.id_jag(typ=typ)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS256"},
        {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"crit": ["x"], "x": 1},
        {"kid": "unknown"},
        {"kid": "../../../dev/null"},
        {"alg": "RS256"},
        {"alg": "ES384"},
    ],
)
def test_a_header_does_not_choose_how_it_is_believed(company: Company, header: dict[str, Any]) -> None:
    _, claims, signature = company.idp.id_jag().split(".")
    whole = {"alg": "ES256", "typ": "oauth-id-jag+jwt", "kid": company.idp.kid} | header
    assert refused(company.redeem_assertion(f"{encoded(whole)}.{claims}.{signature}")) == REFUSED


def test_no_signature_and_a_public_key_as_secret_are_refused(company: Company) -> None:
    _, claims, _ = company.idp.id_jag().split(".")
    unsigned = f"{encoded({'alg': 'none', 'typ': 'oauth-id-jag+jwt'})}.{claims}."
    assert refused(company.redeem_assertion(unsigned)) == REFUSED
    assert refused(company.redeem_assertion(hmac_with_the_public_key())) == REFUSED


@pytest.mark.parametrize(
    ("basic", "params", "changes", "answer"),
    [
        (CHARLIES_AGENT, {}, {}, REFUSED),
        (AGENT, {}, {"client_id": None}, REFUSED),
        (AGENT, {}, {"client_id": "public-agent"}, REFUSED),
        (None, {"client_id": "public-agent"}, {"client_id": "public-agent"}, (400, "unauthorized_client")),
        (None, {"client_id": AGENT[0]}, {}, (401, "invalid_client")),
        (None, {}, {}, (401, "invalid_client")),
        ((AGENT[0], "wrong-secret-0123456789-0123456789-012"), {}, {}, (401, "invalid_client")),
    ],
)
def test_only_the_client_that_it_was_issued_to_redeems_it(
    company: Company, basic: Any, params: dict[str, str], changes: dict[str, Any], answer: tuple[int, str]
) -> None:
    """Attack 19."""
    assertion = company.idp.id_jag(**changes)
    assert refused(company.redeem_assertion(assertion, basic, **params)) == answer


def test_a_client_that_is_not_registered_for_it_cannot_use_the_grant(company: Company) -> None:
    Client.objects.filter(client_id=AGENT[0]).update(grant_types=["authorization_code"])
    assert refused(company.redeem_assertion(company.idp.id_jag())) == (400, "unauthorized_client")


@pytest.mark.parametrize(
    ("changes", "params", "answer"),
    [
        ({"scope": "mcp:read"}, {"scope": "mcp:write"}, (400, "invalid_scope")),
        ({"scope": "payroll:read"}, {}, (400, "invalid_scope")),
        ({"scope": ""}, {}, REFUSED),
        ({}, {"resource": PAYROLL}, (400, "invalid_target")),
        ({"resource": [PAYROLL]}, {"resource": NOTES}, (400, "invalid_target")),
        ({"resource": None}, {"resource": PAYROLL}, (400, "invalid_scope")),  # mcp:read limits there, too
        ({"resource": None, "scope": None}, {"resource": PAYROLL}, REFUSED),  # without a limit, the rules still decide
        ({"authorization_details": [{"type": "everything"}]}, {}, (400, "invalid_authorization_details")),
        ({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}, {}, REFUSED),
        ({"cnf": {"x5t#S256": "another"}}, {}, REFUSED),
    ],
)
def test_nothing_beyond_the_assertion_is_granted(
    company: Company, changes: dict[str, Any], params: dict[str, str], answer: tuple[int, str]
) -> None:
    """Attack 20."""
    assert refused(company.redeem_assertion(company.idp.id_jag(**changes), **params)) == answer


def test_an_id_jag_that_we_issued_is_not_redeemed_by_us(company: Company) -> None:
    """Attack 21. The claims of one of ours, well signed by an issuer that calls itself like us, fare no better."""
    TrustedIssuer.objects.create(
        issuer=conf.issuer, name="Us", jwks_uri=organisation.IDP_JWKS, accepts=["id-jag", "workload"], create=True
    )
    impostor = Idp(conf.issuer)
    company.idp.key, company.idp.kid = impostor.key, impostor.kid
    assert refused(company.redeem_assertion(impostor.id_jag())) == REFUSED
    assert refused(company.redeem_assertion(impostor.workload(), None, client_id="wif-workload")) == REFUSED


def test_an_id_jag_for_us_is_of_no_use_at_a_second_server(company: Company) -> None:
    for_chat = company.exchange(company.login()["id_token"])
    assertion = json.loads(for_chat.content)["access_token"]
    assert refused(company.redeem_assertion(assertion)) == REFUSED
    assert refused(company.redeem_assertion(company.idp.id_jag(aud=organisation.CHAT))) == REFUSED


def test_a_grant_is_not_reached_by_a_parameter_alone(company: Company) -> None:
    now = int(time.time())
    response = company.token(basic=AGENT, grant_type=JWT_BEARER, assertion="x" * 20_000, now=str(now), user="root")
    assert refused(response) == REFUSED
