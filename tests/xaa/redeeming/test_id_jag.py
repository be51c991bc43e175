"""One row per processing rule of the ID-JAG draft, and no mutation of a valid one is accepted."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from authz.protocol import jwks, jwts
from authz.protocol.errors import OAuthError
from authz.protocol.jwts import JwtError
from xaa import id_jag
from xaa.id_jag import Presented
from xaa.reasons import BY_JWT_PROBLEM, Reason

NOW = 1_800_000_000.0
IDP = "https://idp.example"
AS = "https://as.example/o"
MCP = "https://mcp.example/mcp"
IDP_KEY = ec.generate_private_key(ec.SECP256R1())
CHARLIES_KEY = ec.generate_private_key(ec.SECP256R1())
KEYS = jwts.keys_from_jwks({"keys": [jwks.public_jwk(IDP_KEY.public_key(), kid="idp", alg="ES256")]})
CLAIMS: dict[str, Any] = {
    "iss": IDP,
    "sub": "bob",
    "aud": AS,
    "client_id": "agent",
    "jti": "9e43f81b64a33f20116179",
    "iat": NOW,
    "exp": NOW + 300,
    "resource": MCP,
    "scope": "mcp:read mcp:write",
    "auth_time": NOW - 60,
    "acr": "urn:acr:mfa",
    "amr": ["pwd", "otp"],
    "email": "bob@example.com",
    "email_verified": True,
}
ABSENT = object()


def signed(claims: dict[str, Any], *, typ: str = id_jag.TYP, key: Any = IDP_KEY) -> str:
    return jwts.signer(key, kid="idp", alg="ES256", typ=typ).sign(claims)


def presented(token: str | None = None, **overrides: Any) -> Presented:
    values: dict[str, Any] = {
        "token": jwts.parse(signed(CLAIMS) if token is None else token),
        "keys": KEYS,
        "issuer": IDP,
        "audience": AS,
        "client_id": "agent",
        "authenticated": True,
        "now": NOW,
    }
    return Presented(**values | overrides)


def with_claims(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (CLAIMS | changes).items() if value is not ABSENT}


def reason_of(judged: Presented) -> Reason | None:
    try:
        id_jag.verify(judged)
    except OAuthError as error:
        assert isinstance(error.reason, Reason)
        return error.reason
    return None


def test_it_reads_what_the_issuer_granted() -> None:
    granted = id_jag.verify(presented())
    assert granted.issuer == IDP
    assert granted.subject == "bob"
    assert granted.tenant == ""
    assert granted.jti == CLAIMS["jti"]
    assert granted.resources == (MCP,)
    assert granted.scopes == ("mcp:read", "mcp:write")
    assert granted.auth_time == NOW - 60
    assert granted.acr == "urn:acr:mfa"
    assert granted.amr == ("pwd", "otp")
    assert granted.expires == NOW + 300 + jwts.CLOCK_SKEW
    assert granted.claims["email"] == "bob@example.com"


ROWS: list[tuple[str, dict[str, Any], Reason | None]] = [
    ("as it should be", {}, None),
    # §3, §4.4.1: audience
    ("aud is an array of just us", {"aud": [AS]}, None),
    ("aud is an array of us and another", {"aud": [AS, "https://other.example"]}, Reason.ASSERTION_AUDIENCE),
    ("aud is an array of us twice", {"aud": [AS, AS]}, Reason.ASSERTION_AUDIENCE),
    ("aud is an empty array", {"aud": []}, Reason.ASSERTION_AUDIENCE),
    ("aud is another server", {"aud": "https://other.example"}, Reason.ASSERTION_AUDIENCE),
    ("aud is our token endpoint", {"aud": f"{AS}/token"}, Reason.ASSERTION_AUDIENCE),
    ("aud is the resource", {"aud": MCP}, Reason.ASSERTION_AUDIENCE),
    ("aud is us with a slash", {"aud": f"{AS}/"}, Reason.ASSERTION_AUDIENCE),
    ("aud is us in capitals", {"aud": AS.upper()}, Reason.ASSERTION_AUDIENCE),
    ("aud is missing", {"aud": ABSENT}, Reason.ASSERTION_AUDIENCE),
    ("aud is an object", {"aud": {AS: True}}, Reason.ASSERTION_AUDIENCE),
    # §4.4.1: client continuity
    ("client_id of another client", {"client_id": "charlies-agent"}, Reason.ASSERTION_OF_ANOTHER_CLIENT),
    ("client_id missing", {"client_id": ABSENT}, Reason.ASSERTION_CLIENT_MISSING),
    ("client_id is null", {"client_id": None}, Reason.ASSERTION_CLIENT_MISSING),
    ("client_id is a list", {"client_id": ["agent"]}, Reason.ASSERTION_OF_ANOTHER_CLIENT),
    ("azp does not stand for client_id", {"client_id": ABSENT, "azp": "agent"}, Reason.ASSERTION_CLIENT_MISSING),
    # §3, RFC 7523 §3: issuer
    ("iss is another issuer", {"iss": "https://evil.example"}, Reason.ISSUER_UNTRUSTED),
    ("iss with a slash", {"iss": f"{IDP}/"}, Reason.ISSUER_UNTRUSTED),
    ("iss missing", {"iss": ABSENT}, Reason.ISSUER_UNTRUSTED),
    ("iss is a list", {"iss": [IDP]}, Reason.ISSUER_UNTRUSTED),
    # RFC 7523 §3: times
    ("expired", {"iat": NOW - 400, "exp": NOW - 100}, Reason.ASSERTION_EXPIRED),
    ("expired just beyond the clock skew", {"iat": NOW - 300, "exp": NOW - 30}, Reason.ASSERTION_EXPIRED),
    ("expired within the clock skew", {"iat": NOW - 300, "exp": NOW - 29}, None),
    ("exp missing", {"exp": ABSENT}, Reason.ASSERTION_TIME),
    ("exp is a string", {"exp": str(int(NOW + 300))}, Reason.ASSERTION_TIME),
    ("iat missing", {"iat": ABSENT}, Reason.ASSERTION_TIME),
    ("iat in the future", {"iat": NOW + 31}, Reason.ASSERTION_NOT_YET_VALID),
    ("iat ahead within the clock skew", {"iat": NOW + 30}, None),
    ("nbf in the future", {"nbf": NOW + 31}, Reason.ASSERTION_NOT_YET_VALID),
    ("valid for an hour", {"exp": NOW + 3600}, None),
    ("valid for longer", {"exp": NOW + 3601}, Reason.ASSERTION_LIFETIME),
    ("valid for ever", {"exp": 2**40}, Reason.ASSERTION_LIFETIME),
    ("exp before iat", {"iat": NOW + 10, "exp": NOW + 5}, Reason.ASSERTION_LIFETIME),
    # §3: subject and id
    ("sub missing", {"sub": ABSENT}, Reason.ASSERTION_SUBJECT),
    ("sub empty", {"sub": ""}, Reason.ASSERTION_SUBJECT),
    ("sub is a number", {"sub": 7}, Reason.ASSERTION_SUBJECT),
    ("sub is endless", {"sub": "b" * 256}, Reason.ASSERTION_SUBJECT),
    ("jti missing", {"jti": ABSENT}, Reason.ASSERTION_JTI),
    ("jti empty", {"jti": ""}, Reason.ASSERTION_JTI),
    ("jti is a list", {"jti": ["a"]}, Reason.ASSERTION_JTI),
    # MCP §4.3; §4.4.1: resource
    ("resource missing", {"resource": ABSENT}, None),
    ("resource is null", {"resource": None}, None),
    ("resource empty", {"resource": ""}, Reason.ASSERTION_CLAIM),
    ("no resources", {"resource": []}, Reason.ASSERTION_CLAIM),
    ("resource is false", {"resource": False}, Reason.ASSERTION_CLAIM),
    ("resource is an object", {"resource": {}}, Reason.ASSERTION_CLAIM),
    ("resource is an array with an empty text", {"resource": [""]}, Reason.ASSERTION_CLAIM),
    ("resource is an array of one", {"resource": [MCP]}, None),
    ("resource is a number", {"resource": 7}, Reason.ASSERTION_CLAIM),
    ("resource is an array with null", {"resource": [MCP, None]}, Reason.ASSERTION_CLAIM),
    # §4.4.1: scope
    ("scope left out", {"scope": ABSENT}, None),
    ("scope empty", {"scope": ""}, Reason.ASSERTION_CLAIM),
    ("scope is null", {"scope": None}, Reason.ASSERTION_CLAIM),
    ("scope is an array", {"scope": ["mcp:read"]}, Reason.ASSERTION_CLAIM),
    ("scope is blank", {"scope": "  "}, Reason.ASSERTION_CLAIM),
    ("scope has a tab", {"scope": "mcp:read\tmcp:write"}, Reason.ASSERTION_CLAIM),
    ("scope has a quotation mark", {"scope": 'mcp:read"'}, Reason.ASSERTION_CLAIM),
    # §4.4.1, RFC 9396 §5: authorization_details
    ("authorization_details", {"authorization_details": [{"type": "chat_read"}]}, Reason.AUTHORIZATION_DETAILS),
    ("authorization_details empty", {"authorization_details": []}, Reason.AUTHORIZATION_DETAILS),
    # §8.6.1: key binding
    (
        "cnf without a proof",
        {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
        Reason.ASSERTION_KEY_BOUND,
    ),
    ("cnf of a kind we do not know", {"cnf": {}}, Reason.ASSERTION_KEY_BOUND),
    # §3, §6: tenants
    ("tenant", {"tenant": "acme"}, None),
    ("tenant empty", {"tenant": ""}, Reason.ASSERTION_TENANT),
    ("tenant is a list", {"tenant": ["acme"]}, Reason.ASSERTION_TENANT),
    ("a tenant that is not configured as ours", {"aud_tenant": "acme", "aud_sub": "alice"}, Reason.ASSERTION_TENANT),
    # §3: authentication and actor
    ("no authentication context", {"auth_time": ABSENT, "acr": ABSENT, "amr": ABSENT}, None),
    ("auth_time is a string", {"auth_time": "today"}, Reason.ASSERTION_CLAIM),
    ("auth_time is true", {"auth_time": True}, Reason.ASSERTION_CLAIM),
    ("acr is a list", {"acr": ["urn:acr:mfa"]}, Reason.ASSERTION_CLAIM),
    ("amr is a string", {"amr": "mfa"}, Reason.ASSERTION_CLAIM),
    ("amr holds a number", {"amr": ["pwd", 1]}, Reason.ASSERTION_CLAIM),
    ("act", {"act": {"sub": "agent", "act": {"sub": "planner"}}}, None),
    ("act without a subject", {"act": {"client": "agent"}}, Reason.ASSERTION_CLAIM),
    ("act is null", {"act": None}, Reason.ASSERTION_CLAIM),
    ("act is a string", {"act": "agent"}, Reason.ASSERTION_CLAIM),
    # Claims that it may carry and that mean nothing here.
    ("aud_sub", {"aud_sub": "alice"}, None),
    ("claims of any other kind", {"department": {"name": "sales"}, "groups": ["a"]}, None),
]


@pytest.mark.parametrize(("changes", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_it_is_judged_by_the_drafts_rules(changes: dict[str, Any], reason: Reason | None) -> None:
    assert reason_of(presented(signed(with_claims(**changes)))) is reason


CONTEXTS: list[tuple[str, str, dict[str, Any], Reason]] = [
    ("an ID token", signed(CLAIMS, typ="JWT"), {}, Reason.ASSERTION_TYP),
    ("an access token", signed(CLAIMS, typ="at+jwt"), {}, Reason.ASSERTION_TYP),
    ("an access token as a media type", signed(CLAIMS, typ="application/AT+JWT"), {}, Reason.ASSERTION_TYP),
    ("a public client", signed(CLAIMS), {"authenticated": False}, Reason.CLIENT_IS_PUBLIC),
    ("another client", signed(CLAIMS), {"client_id": "charlies-agent"}, Reason.ASSERTION_OF_ANOTHER_CLIENT),
    ("another server", signed(CLAIMS), {"audience": "https://second.example"}, Reason.ASSERTION_AUDIENCE),
    ("another issuer's configuration", signed(CLAIMS), {"issuer": "https://o.example"}, Reason.ISSUER_UNTRUSTED),
    ("ourselves", signed(with_claims(iss=AS)), {"issuer": AS}, Reason.ISSUER_IS_OURSELVES),
    ("another's key", signed(CLAIMS, key=CHARLIES_KEY), {}, Reason.ASSERTION_SIGNATURE),
    ("no keys", signed(CLAIMS), {"keys": ()}, Reason.ASSERTION_KEY_UNKNOWN),
    (
        "a public client's that lives too long",
        signed(CLAIMS),
        {"authenticated": False, "public_lifetime": 60},
        Reason.ASSERTION_LIFETIME,
    ),
    (
        "a public client's at its end",
        signed(with_claims(exp=NOW + 60)),
        {"authenticated": False, "public_lifetime": 60, "now": NOW + 60},
        Reason.ASSERTION_EXPIRED,
    ),
    (
        "a public client's from the future",
        signed(with_claims(iat=NOW + 6, exp=NOW + 60)),
        {"authenticated": False, "public_lifetime": 60},
        Reason.ASSERTION_NOT_YET_VALID,
    ),
    ("later", signed(CLAIMS), {"now": NOW + 331}, Reason.ASSERTION_EXPIRED),
]


@pytest.mark.parametrize(
    ("token", "context", "reason"), [row[1:] for row in CONTEXTS], ids=[row[0] for row in CONTEXTS]
)
def test_it_is_good_only_where_it_belongs(token: str, context: dict[str, Any], reason: Reason) -> None:
    assert reason_of(presented(token, **context)) is reason


def test_every_rule_has_a_row_that_only_it_refuses() -> None:
    """Without any one of the rules, some row of the tables would be accepted or refused for another reason."""
    cases = [(presented(signed(with_claims(**changes))), reason) for _, changes, reason in ROWS]
    cases += [(presented(token, **context), reason) for _, token, context, reason in CONTEXTS]
    for rule in id_jag.RULES:
        others = [other for other in id_jag.RULES if other is not rule]
        assert any(first_reason(others, case) is not reason for case, reason in cases), rule.__name__


def first_reason(rules: list[id_jag.Rule], judged: Presented) -> Reason | None:
    for rule in rules:
        try:
            rule(judged)
        except OAuthError as error:
            assert isinstance(error.reason, Reason)
            return error.reason
        except (TypeError, AttributeError, KeyError):
            return None  # nothing kept this case from reaching a rule that relies on the missing one
    return None


def test_all_that_is_wrong_with_an_assertion_looks_alike_on_the_wire() -> None:
    seen = {(reason.code, reason.sentence) for _, _, reason in ROWS if reason is not None}
    seen |= {(reason.code, reason.sentence) for *_, reason in CONTEXTS}
    about_the_request = {
        Reason.CLIENT_IS_PUBLIC,
        Reason.AUTHORIZATION_DETAILS,
    }
    assert len(seen - {(reason.code, reason.sentence) for reason in about_the_request}) == 1


def test_every_problem_of_a_jwt_has_a_reason() -> None:
    assert set(BY_JWT_PROBLEM) == set(jwts.JwtProblem)


GOOD = signed(CLAIMS)


def refused(token: str, **context: Any) -> bool:
    try:
        id_jag.verify(presented(token, **context))
    except (OAuthError, JwtError):
        return True
    return False


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(position=st.integers(0, len(GOOD) - 1), letter=st.characters(codec="utf-8"), kind=st.sampled_from("ridts"))
def test_no_mutation_of_its_text_is_accepted(position: int, letter: str, kind: str) -> None:
    mutated = {
        "r": GOOD[:position] + letter + GOOD[position + 1 :],
        "i": GOOD[:position] + letter + GOOD[position:],
        "d": GOOD[:position] + GOOD[position + 1 :],
        "t": GOOD[:position],
        "s": GOOD[:position] + GOOD[position : position + 2][::-1] + GOOD[position + 2 :],
    }[kind]
    assume(mutated != GOOD)
    assert refused(mutated)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(name=st.sampled_from(sorted(CLAIMS)) | st.text(max_size=10), value=JSON)
def test_no_mutation_of_its_claims_keeps_the_signature(name: str, value: Any) -> None:
    assume(CLAIMS.get(name, ABSENT) != value)
    header, _, signature = GOOD.split(".")
    claims = base64.urlsafe_b64encode(json.dumps(CLAIMS | {name: value}).encode()).rstrip(b"=").decode()
    assert refused(f"{header}.{claims}.{signature}")


REQUIRED = ("iss", "sub", "aud", "client_id", "jti", "exp", "iat")


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(name=st.sampled_from(sorted(CLAIMS)), value=JSON | st.just(ABSENT))
def test_what_its_issuer_may_say_is_bounded_too(name: str, value: Any) -> None:
    """Even well signed: either refused with a reason of ours, or read with every value of the right type."""
    token = signed(with_claims(**{name: value}))
    try:
        granted = id_jag.verify(presented(token))
    except OAuthError as error:
        assert isinstance(error.reason, Reason)
    except JwtError:
        pass
    else:
        assert not (name in {"iss", "aud", "client_id"} and value not in (CLAIMS[name], [CLAIMS[name]]))
        assert not (name in REQUIRED and value is ABSENT)
        assert all(isinstance(text, str) for text in (granted.subject, granted.jti, *granted.resources, *granted.amr))


def test_what_we_build_is_what_we_would_accept() -> None:
    claims = id_jag.build(
        issuer=IDP,
        audience=AS,
        subject="bob",
        client_id="agent",
        resource=MCP,
        scope=("mcp:read",),
        jti="1",
        now=NOW,
        authentication={"auth_time": int(NOW) - 5, "acr": "mfa", "amr": ["otp"]},
        email="bob@example.com",
    )
    assert {*REQUIRED, "resource", "scope", "auth_time", "acr", "amr", "email", "email_verified"} == set(claims)
    assert claims["exp"] - claims["iat"] == 300
    assert reason_of(presented(signed(claims))) is None


def test_what_is_not_known_is_left_out() -> None:
    claims = id_jag.build(
        issuer=IDP,
        audience=AS,
        subject="bob",
        client_id="agent",
        resource=MCP,
        scope=(),
        jti="1",
        now=NOW,
        lifetime=9999,
    )
    assert set(claims) == {*REQUIRED, "resource"}
    assert claims["exp"] - claims["iat"] == 300


def test_a_judgement_depends_on_nothing_but_what_is_presented() -> None:
    once, again = presented(), presented()
    assert id_jag.verify(once) == id_jag.verify(replace(again))


@pytest.mark.parametrize(
    ("ours", "named", "accepted"),
    [
        ("", ABSENT, True),
        ("", None, True),
        ("", "acme", False),
        ("", "", False),
        ("acme", ABSENT, True),
        ("acme", "acme", True),
        ("acme", "ACME", False),
        ("acme", "acme ", False),
        ("acme", "other", False),
        ("acme", ["acme"], False),
        ("acme", {"id": "acme"}, False),
        ("acme", True, False),
        ("1", 1, False),
        ("acme", "a" * 300, False),
    ],
)
def test_an_id_jag_for_a_tenant_is_for_the_one_that_we_are_called(ours: str, named: object, accepted: bool) -> None:
    """> This claim is only included when the Resource Authorization Server is multi-tenant and the IdP knows the tenant
    > identifier. (ID-JAG §3)"""
    token = signed(with_claims(aud_tenant=named))
    if accepted:
        assert id_jag.verify(presented(token, aud_tenant=ours)).subject == CLAIMS["sub"]
    else:
        with pytest.raises(OAuthError) as refusal:
            id_jag.verify(presented(token, aud_tenant=ours))
        assert refusal.value.reason is Reason.ASSERTION_TENANT
