"""ID-JAGs in the shapes that identity providers document, redeemed; and the way of a document without a secret."""

import json
import time
import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from authz.conf import conf
from authz.configuration import apply
from authz.models import AuditEvent, Client
from authz.outbound import remote_keys
from authz.protocol import jwks, jwts
from tests.cimd.discovered import age
from tests.cimd.documents import CLAUDE_CODE
from tests.cimd.documents import jwks as key_set
from tests.support.document_host import DocumentHost
from tests.support.world import NOTES, PAYROLL, claims, person
from tests.xaa.company import Company, refused
from tests.xaa.shapes import SHAPES, Shape
from xaa import id_jag
from xaa.models import TrustedIssuer

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS = "https://keys.example/jwks"


@pytest.fixture(autouse=True)
def _keys(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    found = jwts.keys_from_jwks({"keys": [jwks.public_jwk(KEY.public_key(), kid="1T4g9ux3EsFK", alg="RS256")]})
    monkeypatch.setattr(remote_keys, "keys", lambda uri, role, *, kid=None: found)


def recorded(shape: Shape, **changes: Any) -> str:
    now = int(time.time())
    said = {
        "iss": shape.issuer,
        "aud": conf.issuer,
        "jti": f"IDAAG.{uuid.uuid4().hex}",
        "iat": now,
        "nbf": now,
        "exp": now + shape.lives,
        **shape.claims,
        **changes,
    }
    signer = jwts.signer(KEY, kid="1T4g9ux3EsFK", alg="RS256", typ=id_jag.TYP)
    return signer.sign({name: value for name, value in said.items() if value is not None})


def trusting(shape: Shape, **keys: Any) -> None:
    entry = {"issuer": shape.issuer, "jwks_uri": KEYS, "accepts": ["id-jag"], **shape.keys, **keys}
    apply(json.dumps({"trusted_issuers": [entry]}))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_what_issuers_write_is_redeemed(company: Company, shape: Shape) -> None:
    trusting(shape)
    response = company.redeem_assertion(recorded(shape), scope="mcp:read mcp:write offline_access", resource=NOTES)
    assert response.status_code == 200, response.content
    body = json.loads(response.content)
    assert (body["scope"], body["resource"]) == ("mcp:read", NOTES)
    token = claims(body["access_token"])
    assert (token["sub"], token["aud"]) == (str(person("bob").subject), NOTES)
    assert token.get("act") == shape.claims.get("act")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_an_address_of_another_domain_finds_no_person_in_any_shape(company: Company, shape: Shape) -> None:
    trusting(shape, email_domains=["acme.example"])
    assert refused(company.redeem_assertion(recorded(shape))) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("params", "answer"),
    [
        ({}, NOTES),  # the default resource
        ({"resource": NOTES}, NOTES),
        ({"resource": f"{NOTES.upper().replace('/MCP', '/mcp').replace('HTTP', 'http')}"}, NOTES),
        ({"resource": PAYROLL, "scope": "payroll:read"}, "invalid_scope"),
        ({"resource": "https://unknown.example/mcp"}, "invalid_target"),
        ({"resource": "notes"}, "invalid_target"),
        ({"scope": "mcp:read"}, NOTES),
        ({"scope": "mcp:read mcp:write"}, NOTES),
        ({"scope": "mcp:read nothing:here openid"}, NOTES),
        ({"scope": " mcp:read  "}, NOTES),
        ({"scope": "mcp:write"}, "invalid_scope"),
        ({"scope": "nothing:here"}, "invalid_scope"),
    ],
)
def test_without_a_resource_the_request_says_which(company: Company, params: dict[str, str], answer: str) -> None:
    trusting(SHAPES["Okta"])
    body = json.loads(company.redeem_assertion(recorded(SHAPES["Okta"]), **params).content)
    assert body.get("resource", body.get("error")) == answer
    if "scope" in body:
        assert body["scope"] == "mcp:read"


def test_oktas_audience_tenant_is_ours_where_an_administrator_says_so(company: Company) -> None:
    """Okta writes “Audience tenant ID” into each ID-JAG for an application that asks for it."""
    shape = SHAPES["Okta"]
    trusting(shape)
    assert refused(company.redeem_assertion(recorded(shape, aud_tenant="acme"))) == (400, "invalid_grant")
    assert "aud_tenant: acme" in AuditEvent.objects.latest("id").detail["detail"]
    trusting(shape, aud_tenant="acme")
    assert company.redeem_assertion(recorded(shape, aud_tenant="acme")).status_code == 200
    assert refused(company.redeem_assertion(recorded(shape, aud_tenant="other"))) == (400, "invalid_grant")
    assert company.redeem_assertion(recorded(shape)).status_code == 200


# --- A document without a secret, served ----------------------------------------------------------------------------

RULE = {
    "name": "Engineers reach Notes by documents",
    "effect": "allow",
    "clients": ["host:localhost"],
    "groups": ["engineering"],
    "resources": [NOTES],
    "scopes": ["mcp:read"],
}


def claude(documents: DocumentHost, **members: Any) -> str:
    shape = {name: value for name, value in CLAUDE_CODE.items() if name not in {"client_id", "client_uri"}}
    return documents.document("/oauth/claude-code-client-metadata", **(shape | members))


def named(*hosts: str) -> None:
    trusting(SHAPES["Anthropic"], public_clients=list(hosts))
    apply(json.dumps({"cimd": {"trusted_hosts": ["localhost"]}, "rules": [RULE]}))


def redeem(company: Company, url: str) -> Any:
    assertion = recorded(SHAPES["Anthropic"], client_id=url)
    return company.redeem_assertion(assertion, basic=None, client_id=url, scope="mcp:read mcp:write")


def test_claudes_document_redeems_without_a_secret(company: Company, documents: DocumentHost) -> None:
    named("localhost")
    url = claude(documents)
    response = redeem(company, url)
    assert response.status_code == 200, response.content
    token = claims(json.loads(response.content)["access_token"])
    assert (token["client_id"], token["scope"]) == (url, "mcp:read")
    assert AuditEvent.objects.get(event="token:id_jag:redeemed_without_secret").client_id == url


def test_it_follows_what_the_administrator_says(company: Company, documents: DocumentHost) -> None:
    named()
    url = claude(documents)
    assert refused(redeem(company, url)) == (400, "unauthorized_client")
    named("localhost")
    assert redeem(company, url).status_code == 200
    named("claude.ai")
    assert refused(redeem(company, url)) == (400, "unauthorized_client")


def test_a_document_that_turns_public_later_waits(company: Company, documents: DocumentHost) -> None:
    named("localhost")
    url = claude(documents, token_endpoint_auth_method="private_key_jwt", jwks=key_set("a"))
    assert refused(redeem(company, url)) == (401, "invalid_client")  # it has keys, and has to use them
    assert Client.objects.get(client_id=url).token_endpoint_auth_method == "private_key_jwt"
    claude(documents)
    age()
    assert redeem(company, url).status_code in {400, 401}
    assert not AuditEvent.objects.filter(event="token:id_jag:redeemed_without_secret").exists()


def test_the_issuer_says_how_long(company: Company, documents: DocumentHost) -> None:
    named("localhost")
    url = claude(documents)
    now = int(time.time())
    long = recorded(SHAPES["Anthropic"], client_id=url, iat=now, exp=now + 300)
    assert refused(company.redeem_assertion(long, basic=None, client_id=url)) == (400, "invalid_grant")
    TrustedIssuer.objects.filter(issuer=SHAPES["Anthropic"].issuer).update(public_client_lifetime=300)
    assert company.redeem_assertion(long, basic=None, client_id=url).status_code == 200
