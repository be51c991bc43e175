"""Issuers of workloads, configured for what their platform writes, at the token endpoint."""

import json
import time
import uuid
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from authz.conf import conf
from authz.configuration import ConfigurationError, apply, export
from authz.models import AuditEvent
from authz.outbound import Role, remote_keys
from authz.protocol import jwks
from tests.xaa.company import Company, Idp, refused
from tests.xaa.test_explain import explained
from xaa.models import TrustedIssuer

PLATFORM = "https://platform.example"
DOMAIN = "spiffe://acme.example"
INVALID = (400, "invalid_grant")


def configured(issuer: str = PLATFORM, **keys: Any) -> Idp:
    """A trusted issuer whose keys are inline, with one workload; what it signs."""
    platform = Idp(issuer)
    item = {
        "issuer": issuer,
        "accepts": ["workload"],
        "jwks": {"keys": [public(platform)]},
        "workloads": [{"subject": "job", "client_id": "wif-workload"}],
    }
    apply(yaml.safe_dump({"trusted_issuers": [item | keys]}))
    return platform


def public(platform: Idp) -> dict[str, Any]:
    return jwks.public_jwk(platform.key.public_key(), kid=platform.kid, alg="ES256")


def redeem(company: Company, platform: Idp, **changes: Any) -> Any:
    return company.redeem_assertion(platform.workload(**({"sub": "job"} | changes)), basic=None)


NOW = int(time.time())


@pytest.mark.parametrize(
    ("keys", "changes", "accepted"),
    [
        ({"max_lifetime": 90_000}, {"iat": NOW, "exp": NOW + 86_700}, True),  # Azure
        ({"max_lifetime": 86_700}, {"iat": NOW, "nbf": NOW, "exp": NOW + 86_700}, True),
        ({}, {"iat": NOW, "exp": NOW + 86_700}, False),
        ({}, {"iat": NOW, "exp": NOW + 86_400}, True),
        ({"max_lifetime": 90_000}, {"iat": NOW - 100, "exp": NOW + 90_000}, False),
        ({"max_lifetime": 3_600}, {"iat": NOW, "exp": NOW + 3_601}, False),
        ({"max_lifetime": 3_600}, {"iat": None, "exp": NOW + 3_700}, False),
        ({"max_lifetime": 3_600}, {"iat": None, "exp": NOW + 3_500}, True),
        ({"audience": "api://gatehouse"}, {"aud": "api://gatehouse"}, True),
        ({"audience": ["api://gatehouse", "https://aks.example"]}, {"aud": ["https://aks.example"]}, True),
        ({"audience": ["https://aks.example", "k3s"]}, {"aud": ["https://aks.example", "k3s"]}, True),
        ({"audience": ["https://aks.example"]}, {"aud": ["https://aks.example", "https://other.example"]}, False),
        ({"audience": ["https://aks.example"]}, {"aud": conf.issuer}, True),
        ({"audience": ["https://aks.example"]}, {"aud": "https://aks.example/"}, False),
        ({"audience": ["api://gatehouse"]}, {"aud": "API://gatehouse"}, False),
        ({"audience": ["api://gatehouse"]}, {"aud": None}, False),
        ({"audience": ["api://gatehouse"]}, {"aud": []}, False),
        ({}, {"aud": "api://gatehouse"}, False),
    ],
)
def test_lifetime_and_audience_are_the_issuers_own(
    company: Company, keys: dict[str, Any], changes: dict[str, Any], accepted: bool
) -> None:
    # The table's moments are those of the import, which may be minutes ago.
    passed = int(time.time()) - NOW
    times = {name: changes[name] + passed for name in ("iat", "nbf", "exp") if changes.get(name)}
    answer = redeem(company, configured(**keys), **(changes | times))
    assert answer.status_code == (200 if accepted else 400), answer.content


def test_an_audience_of_one_issuer_is_none_of_anothers(company: Company) -> None:
    configured(audience="api://gatehouse")
    assert refused(company.redeem_assertion(company.idp.workload(aud="api://gatehouse"), basic=None)) == INVALID


# --- Keys -----------------------------------------------------------------------------------------------------------


def test_inline_keys_need_no_network(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is to be fetched")

    monkeypatch.setattr(remote_keys, "keys", unreachable)
    platform = configured()
    assert redeem(company, platform).status_code == 200
    platform.rotate(platform.kid)
    assert refused(redeem(company, platform)) == INVALID


def test_beside_an_address_both_kinds_of_keys_count(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    platform, elsewhere = configured(jwks_uri="https://platform.example/jwks"), Idp(PLATFORM)
    elsewhere.rotate("key-2")
    asked: list[str] = []

    def keys(jwks_uri: str, role: Role, *, kid: str | None = None) -> Any:
        asked.append(jwks_uri)
        return elsewhere.keys

    monkeypatch.setattr(remote_keys, "keys", keys)
    assert redeem(company, platform).status_code == 200
    assert asked == []  # what an inline key signed waits for no one
    assert redeem(company, elsewhere).status_code == 200
    assert asked
    stranger = Idp(PLATFORM)
    assert refused(redeem(company, stranger)) == INVALID


P256 = ec.generate_private_key(ec.SECP256R1())
GOOD = jwks.public_jwk(P256.public_key(), kid="good")


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"jwks": {"keys": []}}, "it is empty"),
        ({"jwks": {}}, "no list of keys"),
        ({"jwks": "keys"}, "no list of keys"),
        ({"jwks": []}, "no list of keys"),
        ({"jwks": {"keys": [GOOD | {"d": "AAAA"}]}}, "private or symmetric"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}, "private or symmetric"),
        ({"jwks": {"keys": [GOOD | {"use": "enc"}]}}, r"key 1 \(good\): it is for another use"),
        ({"jwks": {"keys": [None, {"kty": "XYZ", "kid": "odd"}]}}, r"key 1: it is not .*; key 2 \(odd\)"),
        ({"max_lifetime": 90_001}, "90000"),
        ({"max_lifetime": 59}, "60"),
        ({"max_lifetime": "a day"}, "must be a whole number, not the text “a day”"),
        ({"audience": ["api://*"]}, "exact"),
        ({"audience": [""]}, "must not be empty"),
        ({"audience": "a b"}, "exact"),
        ({"audience": {"a": "b"}}, "list"),
        ({"audience": [7, {"a": 1}]}, "must be text, not the number 7"),
        ({"reuse": "perhaps"}, "must be true or false, not the text “perhaps”"),
        (
            {"workloads": [{"subject": "s", "client_id": "wif-workload", "reuse": "no way"}]},
            "must be true or false, not the text “no way”",
        ),
        (
            {"workloads": [{"subject": "s", "client_id": "wif-workload", "claims": ["a"]}]},
            "must be a mapping, not a list",
        ),
        ({"issuer": "spiffe://acme.example/web"}, "trust domain"),
        ({"issuer": "spiffe://Acme.example"}, "trust domain"),
        ({"issuer": "spiffe://acme.example:8443"}, "trust domain"),
        ({"issuer": "spiffe://"}, "trust domain"),
        ({"issuer": DOMAIN, "jwks": None}, "jwks_uri"),
        ({"issuer": DOMAIN, "jwks": {"keys": [GOOD]}, "accepts": ["workload", "id-jag"]}, "workloads alone"),
    ],
)
def test_a_file_that_makes_no_sense_says_what_would(company: Company, item: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        apply(yaml.safe_dump({"trusted_issuers": [{"issuer": PLATFORM, "accepts": ["workload"]} | item]}))


def test_a_date_in_the_file_is_the_text_that_it_is(company: Company) -> None:
    bound = {"subject": "job", "client_id": "wif-workload", "claims": {"since": "DATE"}}
    platform = Idp(PLATFORM)
    item = {"issuer": PLATFORM, "accepts": ["workload"], "jwks": {"keys": [public(platform)]}, "workloads": [bound]}
    apply(yaml.safe_dump({"trusted_issuers": [item]}).replace("DATE", "2026-01-01"))
    assert redeem(company, platform, since="2026-01-01").status_code == 200
    assert refused(redeem(company, platform, since="2026-01-02")) == INVALID


def test_what_is_exported_can_be_applied(company: Company) -> None:
    configured(
        audience="api://gatehouse",
        max_lifetime=90_000,
        reuse=True,
        workloads=[
            {
                "subject": "job",
                "client_id": "wif-workload",
                "reuse": True,
                "claims": {"kubernetes.io": {"a": [1, "2"]}},
            },
            {"subject": "job:*", "client_id": "wif-workload", "claims": {"run.id": 12345, "protected": True}},
        ],
    )
    configured(DOMAIN)
    exported = yaml.safe_load(export())
    item = next(one for one in exported["trusted_issuers"] if one["issuer"] == PLATFORM)
    assert (item["audience"], item["max_lifetime"], item["reuse"]) == (["api://gatehouse"], 90_000, True)
    assert [one["reuse"] for one in item["workloads"]] == [True, False]
    assert apply(yaml.safe_dump({"trusted_issuers": exported["trusted_issuers"]})) == []
    TrustedIssuer.objects.all().delete()
    apply(yaml.safe_dump({"trusted_issuers": exported["trusted_issuers"]}))
    assert yaml.safe_load(export()) == exported


# --- SPIFFE ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"iss": None}, True),
        ({"iss": DOMAIN}, True),
        ({"iss": None, "aud": [conf.issuer], "jti": None}, True),
        ({"iss": None, "sub": f"{DOMAIN}/ns/agents/sa/nightly"}, True),
        ({"iss": None, "sub": f"{DOMAIN}/ns/other/sa/nightly"}, False),
        ({"iss": None, "sub": "spiffe://other.example/ns/agents/sa/nightly"}, False),
        ({"iss": DOMAIN, "sub": "spiffe://other.example/ns/agents/sa/nightly"}, False),
        ({"iss": "spiffe://other.example"}, False),
        ({"iss": ""}, False),
        ({"iss": None, "sub": DOMAIN}, False),
        ({"iss": None, "sub": f"{DOMAIN}/"}, False),
        ({"iss": None, "sub": f"{DOMAIN}/ns/agents/../agents/sa/nightly"}, False),
        ({"iss": None, "sub": f"{DOMAIN}//ns/agents/sa/nightly"}, False),
        ({"iss": None, "sub": "SPIFFE://acme.example/ns/agents/sa/nightly"}, False),
        ({"iss": None, "sub": "spiffe://acme.example:80/ns/agents/sa/nightly"}, False),
        ({"iss": None, "sub": "job"}, False),
        ({"iss": None, "sub": None}, False),
    ],
)
def test_a_trust_domain_need_not_name_itself_and_speaks_for_no_other(
    company: Company, changes: dict[str, Any], accepted: bool
) -> None:
    bound = [
        {"subject": f"{DOMAIN}/ns/agents/sa/*", "client_id": "wif-workload"},
        {"subject": "spiffe://other.example/*", "client_id": "wif-workload"},
        {"subject": "job", "client_id": "wif-workload"},
    ]
    spire = configured(DOMAIN, workloads=bound)
    answer = redeem(company, spire, **({"sub": f"{DOMAIN}/ns/agents/sa/web"} | changes))
    assert answer.status_code == (200 if accepted else 400), answer.content
    if accepted:
        assert company.introspect(json.loads(answer.content)["access_token"])["active"] is True


def test_without_a_trust_domain_of_its_own_an_issuer_has_to_be_named(company: Company) -> None:
    platform = configured(workloads=[{"subject": f"{DOMAIN}/*", "client_id": "wif-workload"}])
    assert refused(redeem(company, platform, iss=None, sub=f"{DOMAIN}/web")) == INVALID
    assert redeem(company, platform, sub=f"{DOMAIN}/web").status_code == 200
    configured(DOMAIN, workloads=[{"subject": f"{DOMAIN}/*", "client_id": "wif-workload"}])
    # Its own key signs for the trust domain, and no other issuer's does.
    assert refused(redeem(company, platform, iss=None, sub=f"{DOMAIN}/web")) == INVALID


def test_explain_follows_a_trust_domain(company: Company) -> None:
    spire = configured(DOMAIN, workloads=[{"subject": f"{DOMAIN}/web", "client_id": "wif-workload"}])
    assert "It would be accepted." in explained(spire.workload(iss=None, sub=f"{DOMAIN}/web"))
    said = explained(spire.workload(iss=None, sub=f"{DOMAIN}/api"))
    assert f'sub is "{DOMAIN}/api" (string), and the binding wants {DOMAIN}/web' in said


# --- Reuse ----------------------------------------------------------------------------------------------------------

ONCE, REUSED = False, True


@pytest.mark.parametrize(
    ("keys", "jti", "expected"),
    [
        ({}, "one", ONCE),
        ({}, None, ONCE),
        ({"reuse": False}, "one", ONCE),
        ({"reuse": True}, "one", REUSED),
        ({"reuse": True}, None, REUSED),
        ({"workloads": [{"subject": "job", "client_id": "wif-workload", "reuse": True}]}, "one", REUSED),
        ({"workloads": [{"subject": "job", "client_id": "wif-workload", "reuse": False}]}, "one", ONCE),
        ({"workloads": [{"subject": "job", "client_id": "reusing-workload"}]}, "one", REUSED),
        (
            {
                "workloads": [
                    {"subject": "other", "client_id": "wif-workload", "reuse": True},
                    {"subject": "job", "client_id": "wif-workload"},
                ]
            },
            "one",
            ONCE,
        ),
        (
            {
                "workloads": [
                    {"subject": "job", "client_id": "wif-workload"},
                    {"subject": "job", "client_id": "wif-workload", "claims": {"aud": conf.issuer}, "reuse": True},
                ]
            },
            "one",
            REUSED,
        ),
    ],
)
def test_an_assertion_serves_once_unless_its_issuer_workload_or_client_says_otherwise(
    company: Company, keys: dict[str, Any], jti: str | None, expected: bool
) -> None:
    platform = configured(**keys)
    assertion = platform.workload(sub="job", jti=jti and uuid.uuid4().hex)
    answers = [company.redeem_assertion(assertion, basic=None) for _ in range(3)]
    assert answers[0].status_code == 200, answers[0].content
    assert [answer.status_code for answer in answers[1:]] == ([200, 200] if expected is REUSED else [400, 400])
    said = explained(assertion)
    if expected is REUSED:
        assert "it may be used until it expires (by " in said
        return
    assert "NO   it has not been used before" in said
    body = json.loads(answers[1].content)
    assert body["error"] == "invalid_grant"
    assert "used already" in body["error_description"]
    assert AuditEvent.objects.filter(reason="workload_assertion_used").exists()


def test_reuse_ends_with_the_assertion_and_with_the_switch(company: Company) -> None:
    platform = configured(reuse=True)
    assertion = platform.workload(sub="job")
    assert company.redeem_assertion(assertion, basic=None).status_code == 200
    TrustedIssuer.objects.filter(issuer=PLATFORM).update(reuse=False)
    # It was never claimed, so it serves once more, and then no more.
    assert company.redeem_assertion(assertion, basic=None).status_code == 200
    assert refused(company.redeem_assertion(assertion, basic=None)) == INVALID
    expired = platform.workload(sub="job", iat=NOW - 700, exp=NOW - 100)
    TrustedIssuer.objects.filter(issuer=PLATFORM).update(reuse=True)
    assert refused(company.redeem_assertion(expired, basic=None)) == INVALID


def test_who_holds_no_sound_assertion_is_not_told_of_its_use(company: Company) -> None:
    platform = configured()
    assertion = platform.workload(sub="job", jti="one")
    assert company.redeem_assertion(assertion, basic=None).status_code == 200
    stranger = Idp(PLATFORM).workload(sub="job", jti="one")
    assert "used already" not in company.redeem_assertion(stranger, basic=None).content.decode()
    late = platform.workload(sub="job", jti="one", iat=NOW - 700, exp=NOW - 100)
    assert "used already" not in company.redeem_assertion(late, basic=None).content.decode()


def test_the_audit_names_the_nearest_binding(company: Company) -> None:
    platform = configured(
        workloads=[{"subject": "job", "client_id": "wif-workload", "claims": {"environment": "production"}}]
    )
    assert refused(redeem(company, platform, environment=["staging"])) == INVALID
    event = AuditEvent.objects.filter(reason="workload_unknown").latest("pk")
    assert "environment is ['staging'] (list), and the binding wants \"production\" (string)" in json.dumps(
        event.detail, ensure_ascii=False
    ).replace('\\"', '"')
