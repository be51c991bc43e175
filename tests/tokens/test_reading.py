"""Reading an access token of ours. That its signature is good is remembered, and nothing else of it."""

from datetime import UTC, datetime, timedelta

import pytest

from authz import keys, tokens
from authz.database import configuration_cache
from authz.models import SigningKey
from authz.protocol import jwts
from authz.protocol.jwts import JwtError, JwtProblem
from tests.support.world import World

NOW = 1_900_000_000.0


@pytest.fixture(autouse=True)
def _prepared(gatehouse: World) -> None:
    pass


def signed(**claims: object) -> str:
    return keys.sign(
        {"iss": tokens.conf.issuer, "authorization": "one", "iat": NOW, "exp": NOW + 60, **claims},
        typ=tokens.TYP,
        alg="ES256",
        now=NOW,
    )


def problem(jwt: str, now: float = NOW) -> JwtProblem | None:
    try:
        tokens.read(jwt, now=now)
    except JwtError as error:
        return error.problem
    return None


def test_a_signature_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    verify = jwts.verify
    monkeypatch.setattr(jwts, "verify", lambda jwt, *a, **k: (verified.append(jwt), verify(jwt, *a, **k))[1])
    first, other = signed(), signed(jti="other")
    for jwt in (first, first, other, first):
        assert tokens.read(jwt, now=NOW)["exp"] == NOW + 60
    assert verified == [first, other]


@pytest.mark.parametrize("authorization", [None, 1, ["one"]])
def test_a_token_without_an_authorization_stands_for_nothing(authorization: object) -> None:
    """Attack: the token of an MCP server's check, which is signed like any other (docs/decisions/0097)."""
    assert problem(signed(authorization=authorization)) is JwtProblem.MALFORMED


def test_a_remembered_token_expires() -> None:
    jwt = signed()
    assert problem(jwt) is None
    assert problem(jwt, NOW + 60) is JwtProblem.EXPIRED


def test_a_remembered_token_of_a_compromised_key_is_refused() -> None:
    """Attack: a token that was signed with a stolen key was seen here before the key was withdrawn."""
    jwt = signed()
    assert problem(jwt) is None
    moment = datetime.fromtimestamp(NOW, UTC)
    stolen = SigningKey.objects.get(alg="ES256").kid
    keys.rotate("ES256", now=moment, at_once=True)
    keys.retire(stolen, now=moment, compromised=True)
    configuration_cache.begin()  # as each request does
    assert problem(jwt) is JwtProblem.NO_KEY


def test_a_remembered_token_ends_with_the_time_of_its_key() -> None:
    """No change of configuration tells of it: the key is in the JWKS no longer."""
    jwt = signed(exp=NOW + timedelta(days=400).total_seconds())
    moment = datetime.fromtimestamp(NOW, UTC)
    keys.rotate("ES256", now=moment)
    configuration_cache.begin()
    assert problem(jwt) is None
    assert problem(jwt, NOW + timedelta(days=300).total_seconds()) is JwtProblem.NO_KEY


def test_what_one_request_changes_of_the_claims_no_other_sees() -> None:
    jwt = signed(scope="mcp:read")
    tokens.read(jwt, now=NOW)["scope"] = "mcp:write"
    assert tokens.read(jwt, now=NOW)["scope"] == "mcp:read"


def test_a_changed_token_is_not_the_remembered_one() -> None:
    """Attack: the signature of a good token behind other claims, or a signature in another spelling."""
    good, other = signed().split("."), signed(scope="mcp:write").split(".")
    assert problem(".".join(good)) is None
    assert problem(".".join((*other[:2], good[2]))) is JwtProblem.SIGNATURE
    assert problem(f"{'.'.join(good)}=") is JwtProblem.MALFORMED


def test_a_flood_of_tokens_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack: so many tokens that they fill the memory. One that isn't ours is never kept."""
    monkeypatch.setattr(tokens, "VERIFIED_MAX", 3)
    for number in range(5):
        tokens.read(signed(jti=str(number)), now=NOW)
    for _ in range(3):
        assert problem(signed() + "A") is not None
    remembered = tokens._signed_claims(NOW).cache_info()  # type: ignore[attr-defined]
    assert (remembered.currsize, remembered.maxsize) == (3, 3)
