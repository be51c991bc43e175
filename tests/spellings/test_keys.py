"""Key sets as serializers write them, and keys that do not count, at every door."""

import html
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authz.configuration import ConfigurationError, apply
from authz.models import Client
from authz.outbound import Response, remote_documents, remote_keys
from authz.protocol import jwks
from tests.spellings.doors import administrator, body, signed_by_client
from tests.support import world
from tests.support.document_host import DocumentHost
from tests.xaa import company as organisation
from tests.xaa.company import IDP, IDP_JWKS, WORKLOAD_SUBJECT, Company

EMPTY_MEMBERS: dict[str, dict[str, Any]] = {
    "use null": {"use": None}, "use empty": {"use": ""}, "alg null": {"alg": None}, "alg empty": {"alg": ""},
    "key_ops empty": {"key_ops": []}, "key_ops null": {"key_ops": None}, "x5c empty": {"x5c": []},
    "x5u empty": {"x5u": ""}, "kid null": {"kid": None}, "kid empty": {"kid": ""}, "d null": {"d": None},
    "d empty": {"d": ""}, "k null": {"k": None}, "oth empty": {"oth": []},
    "as Java writes it": {"d": None, "p": None, "q": None, "dp": None, "dq": None, "qi": None, "oth": None, "k": None},
    "as .NET writes it": {"key_ops": [], "oth": [], "x5c": [], "x5t": None, "x5u": None, "use": "sig"},
}  # fmt: skip
KEY = ec.generate_private_key(ec.SECP256R1())


def key_with(members: dict[str, Any], key: Any = KEY) -> dict[str, Any]:
    return {**jwks.public_jwk(key.public_key(), kid="mine", alg="ES256"), **members}


def authenticates(company: Company, client_id: str) -> bool:
    params = signed_by_client({"typ": "JWT"}, KEY, iss=client_id, sub=client_id)
    answer = company.token(grant_type="client_credentials", scope="mcp:read", **params)
    # What the rules then say is another question.
    return answer.status_code == 200 or body(answer)["error"] != "invalid_client"


def client_by_file(company: Company, key_set: dict[str, Any], documents: DocumentHost) -> str:
    entry = {
        "client_id": "by-file", "status": "approved", "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt", "jwks": key_set,
    }  # fmt: skip
    apply(json.dumps({"clients": [entry]}))
    return "by-file"


def client_by_api(company: Company, key_set: dict[str, Any], documents: DocumentHost) -> str:
    asked_for = {
        "client_name": "Digest", "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt", "jwks": key_set,
    }  # fmt: skip
    made = administrator().post("/api/v1/agents", asked_for, content_type="application/json")
    if made.status_code != 201:
        raise ConfigurationError((), html.unescape(made.content.decode()))
    client_id: str = made.json()["client_id"]
    Client.objects.filter(client_id=client_id).update(status="approved")
    return client_id


def client_by_console(company: Company, key_set: dict[str, Any], documents: DocumentHost) -> str:
    form = {
        "name": "Mine", "client_id": "mine", "grant_types": "client_credentials",
        "token_endpoint_auth_method": "private_key_jwt", "client_jwks": json.dumps(key_set),
    }  # fmt: skip
    saved: Any = administrator().post("/console/authz/client/add/", form)
    if saved.status_code != 302:
        raise ConfigurationError((), html.unescape(saved.content.decode()))
    Client.objects.filter(client_id="mine").update(status="approved")
    return "mine"


def client_by_document(company: Company, key_set: dict[str, Any], documents: DocumentHost) -> str:
    apply("cimd: {trusted_hosts: [localhost]}")
    return documents.document(
        grant_types=["authorization_code", "client_credentials"],
        token_endpoint_auth_method="private_key_jwt",
        jwks=key_set,
    )


REGISTRARS = [client_by_file, client_by_api, client_by_console, client_by_document]


@pytest.mark.parametrize("registrar", REGISTRARS)
@pytest.mark.parametrize("members", EMPTY_MEMBERS.values(), ids=EMPTY_MEMBERS)
def test_a_clients_key_may_have_members_without_a_value(
    company: Company, documents: DocumentHost, members: dict[str, Any], registrar: Callable[..., str]
) -> None:
    client_id = registrar(company, {"keys": [key_with(members)]}, documents)
    assert authenticates(company, client_id)


@pytest.mark.parametrize("where", ["jwks", "jwks_uri"])
@pytest.mark.parametrize("members", EMPTY_MEMBERS.values(), ids=EMPTY_MEMBERS)
def test_an_issuers_key_may_have_members_without_a_value(
    gatehouse: world.World, monkeypatch: pytest.MonkeyPatch, members: dict[str, Any], where: str
) -> None:
    company = organisation.build()
    named = {name: value for name, value in members.items() if name != "kid"}
    published = {"keys": [key_with(named, company.idp.key) | {"kid": company.idp.kid}]}
    if where == "jwks":
        binding = {"subject": WORKLOAD_SUBJECT, "client_id": "wif-workload"}
        apply(json.dumps({"trusted_issuers": [
            {"issuer": IDP, "accepts": ["id-jag", "workload"], "jwks": published, "workloads": [binding],
             "subjects": {"match": ["sub", "email"]}}
        ]}))  # fmt: skip
    content = json.dumps(published).encode()
    answer = Response(status=200, headers={}, body=content, address="192.0.2.1", elapsed=0.0)
    monkeypatch.setattr(remote_documents, "fetch", lambda *_, **__: answer)
    remote_keys.forget(IDP_JWKS)
    for response in (
        company.redeem_assertion(company.idp.id_jag()),
        company.redeem_assertion(company.idp.workload(), basic=None),
    ):
        assert response.status_code == 200, response.content
    remote_keys.forget(IDP_JWKS)


BAD_KEYS: dict[str, tuple[Any, str]] = {
    "null": (None, "not a JSON object"),
    "a text": ("key", "not a JSON object"),
    "no type": ({"kid": "a"}, "not a JSON object with a key type"),
    "an unknown type": ({"kty": "AKP", "kid": "a", "pub": "AA"}, "key type or curve"),
    "an unknown curve": ({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "a"}, "key type or curve"),
    "half a key": ({"kty": "EC", "crv": "P-256", "x": "AA", "kid": "a"}, "do not make a public key"),
    "for encryption": (key_with({"use": "enc"}), "another use"),
    "for other operations": (key_with({"key_ops": ["encrypt"]}), "another use"),
    "of another algorithm": (key_with({"alg": "ECDH-ES"}), "algorithm"),
    "weak": (
        {**jwks.public_jwk(rsa.generate_private_key(65537, 2048).public_key(), kid="w", alg="RS256"), "n": "AQAB" * 40},
        "fewer than 2048 bits",
    ),
    "a number as kid": (key_with({"kid": 5}), "JSON type"),
    "a long kid": (key_with({"kid": "k" * 2000}), "kid has more than"),
}


@pytest.mark.parametrize("registrar", [client_by_file, client_by_api, client_by_console])
@pytest.mark.parametrize(("bad", "why"), BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_key_that_does_not_count_is_named_where_none_is_left(
    company: Company, documents: DocumentHost, bad: Any, why: str, registrar: Callable[..., str]
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        registrar(company, {"keys": [bad]}, documents)
    assert "key 1" in str(refusal.value)
    assert why in str(refusal.value)
    # Beside one that counts it is passed over.
    client_id = registrar(company, {"keys": [bad, key_with({"kid": "good"})]}, documents)
    assert authenticates(company, client_id)


@pytest.mark.parametrize("registrar", [client_by_file, client_by_api, client_by_console])
@pytest.mark.parametrize("private", [{"d": "AAAA"}, {"kty": "oct", "k": "AAAA"}, {"kty": "RSA", "p": "AA"}])
def test_one_private_key_condemns_the_set(
    company: Company, documents: DocumentHost, private: dict[str, Any], registrar: Callable[..., str]
) -> None:
    with pytest.raises(ConfigurationError, match="private or symmetric"):
        registrar(company, {"keys": [key_with({"kid": "good"}), key_with(private)]}, documents)
