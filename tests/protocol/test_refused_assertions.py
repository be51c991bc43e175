"""A refused assertion's own words are in the record of its refusal."""

import pytest

from authz.protocol.errors import OAuthError
from authz.protocol.errors import Reason as Core
from authz.protocol.jwts import JwtProblem, Unverified
from authz.protocol.refused_assertions import explained
from xaa.reasons import Reason

NOW = 1_800_000_000.0
CLAIMS = {"iss": "https://idp.example", "sub": "bob", "jti": "j-1", "iat": NOW - 10, "exp": NOW + 50}


def refused(reason: object, header: dict[str, object], claims: dict[str, object], detail: str = "") -> OAuthError:
    token = Unverified({"alg": "RS256", **header}, {**CLAIMS, **claims}, b"", b"")
    with pytest.raises(OAuthError) as caught, explained(token, NOW):
        raise OAuthError(reason, detail=detail)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    ("reason", "header", "claims", "detail"),
    [
        (Reason.ASSERTION_AUDIENCE, {}, {"aud": "https://other"}, "aud is 'https://other'"),
        (Reason.ASSERTION_AUDIENCE, {}, {"aud": ["a", "b"]}, "aud is ['a', 'b']"),
        (Reason.ASSERTION_AUDIENCE, {}, {}, "aud is absent"),
        (Core.CLIENT_ASSERTION_AUDIENCE, {}, {"aud": None}, "aud is null"),
        (Reason.ASSERTION_TYP, {"typ": "JWT"}, {}, "typ is 'JWT'"),
        (Core.CLIENT_ASSERTION_WRONG_TYPE, {"typ": "at+jwt"}, {}, "typ is 'at+jwt'"),
        (Reason.ASSERTION_ALGORITHM, {}, {}, "alg is 'RS256'"),
        (Reason.ASSERTION_KEY_UNKNOWN, {"kid": "k1"}, {}, "kid is 'k1'"),
        (Core.CLIENT_ASSERTION_SIGNATURE, {}, {}, "kid is absent"),
        (Reason.ISSUER_UNTRUSTED, {}, {}, "iss is 'https://idp.example'"),
        (Core.CLIENT_ASSERTION_ISSUER, {}, {}, "iss is 'https://idp.example'; sub is 'bob'"),
        (Reason.ASSERTION_EXPIRED, {}, {"exp": NOW - 70}, "exp is 1799999930.0, 70 s ago"),
        (Core.CLIENT_ASSERTION_EXPIRED, {}, {"exp": "soon"}, 'exp is ?soon?'),
        (Reason.ASSERTION_NOT_YET_VALID, {}, {"iat": NOW + 90}, "iat is 1800000090.0, 90 s ahead"),
        (Reason.ASSERTION_NOT_YET_VALID, {}, {"nbf": NOW + 90}, "nbf is 1800000090.0, 90 s ahead"),
        (Reason.ASSERTION_TIME, {}, {"iat": 1, "exp": "2"}, "iat is 1; exp is '2'"),
        (Reason.ASSERTION_OF_ANOTHER_CLIENT, {}, {"client_id": "theirs"}, "client_id is 'theirs'"),
        (Reason.ASSERTION_JTI, {}, {"jti": 7}, "jti is 7"),
        (Reason.ASSERTION_REPLAYED, {}, {}, ""),
        (Reason.ASSERTION_AUDIENCE, {}, {"aud": "x\n\x00\u202e" + "y" * 500},
         "aud is 'x?n?u0000?u202e" + "y" * 101 + "..."),
    ],
)  # fmt: skip
def test_the_wrong_value_is_said(
    reason: object, header: dict[str, object], claims: dict[str, object], detail: str
) -> None:
    assert refused(reason, header, claims).detail == detail


def test_a_detail_that_says_more_stays() -> None:
    assert refused(Reason.WORKLOAD_UNKNOWN, {}, {}, "nearest is …").detail == "nearest is …"
    assert refused(Reason.ASSERTION_AUDIENCE, {}, {}, "also for other").detail == "also for other"
    assert refused(Core.CLIENT_ASSERTION_SIGNATURE, {"kid": "k"}, {}, JwtProblem.NO_KEY).detail == "kid is 'k'"


def test_it_says_whose_it_claims_to_be_and_no_more() -> None:
    said = refused(Reason.ASSERTION_SIGNATURE, {}, {"email": "bob@example.com", "sub": 7, "jti": "a" * 200}).facts[
        "said"
    ]
    assert said == {"iss": "https://idp.example", "jti": "a" * 117 + "..."}
