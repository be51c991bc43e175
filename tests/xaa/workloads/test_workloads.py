"""Which workload is which client: the rules, as tables."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.protocol import jwts
from authz.protocol.errors import OAuthError
from tests.xaa.redeeming.test_id_jag import AS, IDP, IDP_KEY, KEYS, NOW
from xaa import workloads
from xaa.reasons import Reason
from xaa.workloads import Binding

SUBJECTS = [
    ("spiffe://test/workload", "spiffe://test/workload", True),
    ("spiffe://test/workload", "spiffe://test/workload2", False),
    ("spiffe://test/workload", "SPIFFE://test/workload", False),
    ("spiffe://test/*", "spiffe://test/a", True),
    ("spiffe://test/*", "spiffe://test/a/b", True),
    ("spiffe://test/*", "spiffe://test/", False),
    ("spiffe://test/*/web", "spiffe://test/prod/web", True),
    ("spiffe://test/*/web", "spiffe://test/evil/x/web", False),
    ("system:serviceaccount:agents:*", "system:serviceaccount:agents:nightly", True),
    ("system:serviceaccount:agents:*", "system:serviceaccount:other:nightly", False),
    ("system:serviceaccount:*:nightly", "system:serviceaccount:agents:nightly", True),
    ("system:serviceaccount:*:nightly", "system:serviceaccount:a:b:nightly", False),
    ("repo:acme/app:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main", True),
    ("repo:acme/app:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main2", False),
    ("repo:acme/*:environment:production", "repo:acme/app:environment:production", True),
    ("repo:acme/*:environment:production", "repo:acme/app:ref:x:environment:production", False),
    ("repo:acme/*:environment:production", "repo:evil/app:environment:production", False),
    ("repo:acme/app:*", "repo:acme/app:ref:refs/heads/main", True),
    ("a.c", "abc", False),  # a dot is a dot
    ("*", "anything at all", True),
    ("*", "", False),
    ("a", 7, False),
    ("a", None, False),
]


@pytest.mark.parametrize(("pattern", "subject", "expected"), SUBJECTS)
def test_a_star_stands_for_a_segment_and_at_the_end_for_the_rest(pattern: str, subject: Any, expected: bool) -> None:
    assert workloads.matches(Binding(pattern, "client"), {"sub": subject}) is expected


@given(subject=st.text(min_size=1, max_size=40))
def test_a_pattern_without_a_star_matches_itself_alone(subject: str) -> None:
    assert workloads.matches(Binding("repo:acme/app", "c"), {"sub": subject}) is (subject == "repo:acme/app")


CLAIMS: dict[str, Any] = {"iss": IDP, "sub": "s", "aud": AS, "iat": NOW, "exp": NOW + 300, "jti": "one"}


def reason_of(changes: dict[str, Any], *, typ: str = "JWT", client_id: str = "client") -> Reason | None:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    token = jwts.parse(jwts.signer(IDP_KEY, kid="idp", alg="ES256", typ=typ).sign(claims))
    bindings = [Binding("s", "client"), Binding("other", "other-client")]
    try:
        workloads.verify(token, KEYS, bindings, issuer=IDP, audience=AS, client_id=client_id, now=NOW)
    except OAuthError as error:
        assert isinstance(error.reason, Reason)
        return error.reason
    return None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"aud": [AS]}, None),
        ({"aud": f"{AS}/"}, None),
        ({"iat": None, "jti": None}, None),
        ({"aud": [AS, "https://other.example"]}, Reason.ASSERTION_AUDIENCE),
        ({"aud": f"{AS}/token"}, Reason.ASSERTION_AUDIENCE),
        ({"aud": None}, Reason.ASSERTION_AUDIENCE),
        ({"aud": {}}, Reason.ASSERTION_AUDIENCE),
        ({"aud": [[AS]]}, Reason.ASSERTION_AUDIENCE),
        ({"iss": "https://other.example"}, Reason.ISSUER_UNTRUSTED),
        ({"exp": NOW - 30, "iat": NOW - 60}, Reason.ASSERTION_EXPIRED),
        ({"exp": None}, Reason.ASSERTION_TIME),
        ({"exp": NOW + 86_500}, Reason.ASSERTION_LIFETIME),
        ({"aud": []}, Reason.ASSERTION_AUDIENCE),
        ({"aud": [AS, f"{AS}/"]}, None),  # each of them is us
        ({"nbf": NOW + 60}, Reason.ASSERTION_NOT_YET_VALID),
        ({"sub": "nobody"}, Reason.WORKLOAD_UNKNOWN),
        ({"sub": "other"}, Reason.CLIENT_IS_NOT_A_WORKLOAD),
        ({"cnf": {}}, Reason.ASSERTION_KEY_BOUND),
    ],
)
def test_an_assertion_is_judged(changes: dict[str, Any], reason: Reason | None) -> None:
    assert reason_of(changes) is reason


@pytest.mark.parametrize("typ", ["oauth-id-jag+jwt", "at+jwt", "logout+jwt", "dpop+jwt", "client-authentication+jwt"])
def test_a_token_of_another_kind_is_no_workload(typ: str) -> None:
    assert reason_of({}, typ=typ) is Reason.ASSERTION_TYP


def test_a_workload_without_a_jti_is_known_by_its_digest() -> None:
    def jti_of(claims: dict[str, Any]) -> str:
        token = jwts.parse(jwts.signer(IDP_KEY, kid="idp", alg="ES256", typ="JWT").sign(claims))
        bindings = [Binding("s", "client")]
        return workloads.verify(token, KEYS, bindings, issuer=IDP, audience=AS, client_id="client", now=NOW).jti

    without = {name: value for name, value in CLAIMS.items() if name != "jti"}
    assert jti_of(CLAIMS) == "one"
    assert jti_of(without) == jti_of(without)  # ES256 signs differently each time; what is signed counts
    assert jti_of(without) != jti_of(without | {"exp": NOW + 301})
