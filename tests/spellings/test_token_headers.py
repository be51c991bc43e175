"""Headers of tokens: `typ` in any spelling, and key hints, which nothing follows."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authz.outbound import Response, remote_documents
from authz.protocol import jwks
from tests.spellings.doors import signed_by_client, signed_with
from tests.support.world import claims
from tests.xaa.company import AGENT, Company


def id_jag_of(company: Company, typ: Any) -> Any:
    return company.redeem_assertion(company.idp.id_jag(typ=typ))


def workload_of(company: Company, typ: Any) -> Any:
    return company.redeem_assertion(company.idp.workload(typ=typ), basic=None)


def id_token_of(company: Company, typ: Any) -> Any:
    return company.exchange(company.idp.id_token(typ=typ))


def assertion_of(company: Company, typ: Any) -> Any:
    return company.token(grant_type="client_credentials", **signed_by_client({"typ": typ}))


ACCEPTED_TYPES: list[tuple[Callable[[Company, Any], Any], str]] = [
    *((id_jag_of, typ) for typ in (
        "oauth-id-jag+jwt", "OAUTH-ID-JAG+JWT", "OAuth-Id-Jag+JWT", "application/oauth-id-jag+jwt",
        "APPLICATION/OAUTH-ID-JAG+JWT", "Application/oauth-id-jag+JWT",
    )),
    *((kind, typ) for kind in (workload_of, id_token_of, assertion_of) for typ in (
        "JWT", "jwt", "Jwt", "application/jwt", "APPLICATION/JWT", "application/JWT",
    )),
    *((workload_of, typ) for typ in ("JOSE", "jose", "application/jose", "APPLICATION/JOSE")),
    *((assertion_of, typ) for typ in ("client-authentication+jwt", "application/Client-Authentication+JWT")),
]  # fmt: skip
REFUSED_TYPES: list[tuple[Callable[[Company, Any], Any], str]] = [
    *((id_jag_of, typ) for typ in (
        "JOSE", "oauth-id-jag", "oauth-id-jag+jwt ", "oauth-id-jag+jwt;v=1", "x/oauth-id-jag+jwt", "id-jag+jwt",
        "application/x/oauth-id-jag+jwt", "at+jwt", "oauth-id-jag+cwt",
    )),
    *((kind, typ) for kind in (id_token_of, assertion_of) for typ in (
        "at+jwt", "application/at+jwt", "oauth-id-jag+jwt", "logout+jwt", "dpop+jwt", "text/jwt", "JWT ",
        "JWS", "+jwt", "",
    )),
    *((workload_of, typ) for typ in (
        "at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt", "text/jwt", "JWT ", "JWS", "wit+jwt", "+jwt",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("door", "typ"), ACCEPTED_TYPES)
def test_prefix_and_case_of_a_typ_do_not_count(company: Company, door: Callable[[Company, Any], Any], typ: str) -> None:
    """> it is RECOMMENDED that producers omit an "application/" prefix […] a recipient using the media type value MUST
    > treat it as if "application/" were prepended (RFC 7515 §4.1.9)"""
    response = door(company, typ)
    assert response.status_code == 200, response.content


@pytest.mark.parametrize(("door", "typ"), REFUSED_TYPES)
def test_another_typ_is_another_kind_of_token(company: Company, door: Callable[[Company, Any], Any], typ: str) -> None:
    assert door(company, typ).status_code in {400, 401}


EVIL = ec.generate_private_key(ec.SECP256R1())
EVIL_JWK = jwks.public_jwk(EVIL.public_key(), kid="evil", alg="ES256")
IGNORED = {
    "jku": {"jku": "https://evil.example/jwks"},
    "jku on this machine": {"jku": "http://127.0.0.1:1/jwks"},
    "jku that is none": {"jku": 5},
    "x5u": {"x5u": "https://evil.example/cert"},
    "x5u that is none": {"x5u": ""},
    "x5c": {"x5c": ["MIIB"]},
    "x5c empty": {"x5c": []},
    "x5t": {"x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
    "x5t#S256": {"x5t#S256": "x"},
    "cty": {"cty": "JWT"},
    "of a vendor": {"nonce": "AQABAAAAAA", "ver": 1},
    "all of them": {"jku": "https://evil.example/jwks", "x5u": "https://evil.example/", "x5c": ["MIIB"], "x5t": "a"},
}
REFUSED_HEADERS = {
    "jwk": {"jwk": EVIL_JWK},
    "jwk empty": {"jwk": {}},
    "jwk null": {"jwk": None},
    "crit": {"crit": ["exp"]},
    "crit empty": {"crit": []},
    "crit of b64": {"crit": ["b64"], "b64": False},
    "b64 false": {"b64": False},
    "b64 as a text": {"b64": "false"},
    "b64 true": {"b64": True},
    "zip": {"zip": "DEF"},
    "jwk beside a jku": {"jwk": EVIL_JWK, "jku": "https://evil.example/jwks"},
}


def with_header(company: Company, door: str, header: dict[str, Any], key: Any = None) -> Any:
    if door == "client assertion":
        return company.token(grant_type="client_credentials", **signed_by_client({"typ": "JWT", **header}, key))
    kind = {"id-jag": company.idp.id_jag, "workload": company.idp.workload, "id token": company.idp.id_token}[door]
    said = claims(kind())
    named = {"typ": "oauth-id-jag+jwt" if door == "id-jag" else "JWT", "kid": company.idp.kid, **header}
    token = signed_with(key or company.idp.key, named, said)
    if door == "id token":
        return company.exchange(token)
    return company.redeem_assertion(token, basic=AGENT if door == "id-jag" else None)


KINDS = ["client assertion", "id-jag", "workload", "id token"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was fetched while a token was judged."""
    found: list[str] = []

    def fetch(role: Any, url: str, **_: Any) -> Response:
        found.append(url)
        content = json.dumps({"keys": [EVIL_JWK]}).encode()
        return Response(status=200, headers={}, body=content, address="192.0.2.1", elapsed=0.0)

    monkeypatch.setattr(remote_documents, "fetch", fetch)
    return found


@pytest.mark.parametrize("door", KINDS)
@pytest.mark.parametrize("header", IGNORED.values(), ids=IGNORED)
def test_a_key_hint_is_ignored_and_never_followed(
    company: Company, asked: list[str], header: dict[str, Any], door: str
) -> None:
    response = with_header(company, door, header)
    assert response.status_code == 200, response.content
    assert with_header(company, door, header, key=EVIL).status_code in {400, 401}
    assert asked == []


@pytest.mark.parametrize("door", KINDS)
@pytest.mark.parametrize("header", REFUSED_HEADERS.values(), ids=REFUSED_HEADERS)
def test_a_header_that_changes_what_is_verified_is_refused(
    company: Company, asked: list[str], header: dict[str, Any], door: str
) -> None:
    assert with_header(company, door, header).status_code in {400, 401}
    assert asked == []
