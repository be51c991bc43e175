"""The ID-JAG: judged by the draft's processing rules, and built by its list of claims.

draft-ietf-oauth-identity-assertion-authz-grant-04 §3 (claims), §4.4.1 (processing), §8 (cross-domain, key binding);
RFC 7521 §5.2 and RFC 7523 §3, which apply as a whole; MCP enterprise-managed authorization §4.3 and §5.1.

Pure: `judge` is given everything that it needs to know, so each rule is a row in a table test, and `xaa explain` can go
through the same rules one by one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from authz.protocol import jwts, scopes
from authz.protocol.errors import OAuthError, harmless
from authz.protocol.jwks import Key
from authz.protocol.jwts import JwtError, Unverified
from xaa.reasons import BY_JWT_PROBLEM, Reason

TYP: Final = "oauth-id-jag+jwt"
TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:id-jag"  # noqa: S105  an identifier, not a secret
GRANT_PROFILE: Final = "urn:ietf:params:oauth:grant-profile:id-jag"

LIFETIME: Final = 300  # seconds; what we issue
LONGEST_LIFETIME: Final = 3600  # seconds; what we believe of others (MCP's own example says an hour)
CLOCK_SKEW: Final = 30  # seconds that an issuer's clock may differ from ours
PUBLIC_CLOCK_SKEW: Final = 5  # the same, where nothing but the lifetime stops who stole one
_LONGEST_IDENTIFIER: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """An ID-JAG as it is presented, and what it is judged by.

    issuer      the identifier of the trusted issuer that the token names; `keys` are that issuer's.
    audience    our own issuer identifier.
    client_id   the client that presents it, and `authenticated` whether that client has proved who it is.
    public_lifetime  where the issuer lets this client go without (xaa/public_clients.py): seconds that the ID-JAG may
                live; None where it does not.
    now         seconds since the epoch.
    aud_tenant  what the issuer calls us among the tenants of one server; empty: nothing.
    """

    token: Unverified
    keys: Sequence[Key]
    issuer: str
    audience: str
    client_id: str
    authenticated: bool
    now: float
    public_lifetime: int | None = None
    aud_tenant: str = ""

    @property
    def claims(self) -> dict[str, Any]:
        return self.token.claims


@dataclass(frozen=True, slots=True, kw_only=True)
class IdJag:
    """An ID-JAG that has passed every rule. `resources` and `scopes` are what its issuer granted, at the most.

    resources   empty where the issuer named none, and so did not limit them.
    scopes      None where the issuer did not limit them.
    expires     seconds since the epoch from which on it can no longer be presented, clock skew included.
    claims      everything it says, for subject resolution by claims that the issuer's configuration names.
    """

    issuer: str
    tenant: str
    subject: str
    jti: str
    resources: tuple[str, ...]
    scopes: tuple[str, ...] | None
    auth_time: int | None
    acr: str
    amr: tuple[str, ...]
    act: dict[str, Any] | None
    expires: float
    claims: Mapping[str, Any]


Rule = Callable[[Presented], None]


def verify(presented: Presented) -> IdJag:
    """What the ID-JAG grants. Raises OAuthError with the first rule's reason that it breaks."""
    for rule in RULES:
        rule(presented)
    claims = presented.claims
    return IdJag(
        issuer=presented.issuer,
        tenant=claims.get("tenant", ""),
        subject=claims["sub"],
        jti=claims["jti"],
        resources=_resources(claims),
        scopes=scopes.parse(claims["scope"]) if "scope" in claims else None,
        auth_time=int(claims["auth_time"]) if "auth_time" in claims else None,
        acr=claims.get("acr", ""),
        amr=tuple(claims.get("amr", ())),
        act=claims.get("act"),
        expires=float(claims["exp"]) + CLOCK_SKEW,
        claims=claims,
    )


# --- The processing rules, in their order ---------------------------------------------------------------------------


def it_is_typed(presented: Presented) -> None:
    # > Validate the JWT `typ` is `oauth-id-jag+jwt` (ID-JAG §4.4.1; RFC 8725 §3.11)
    if presented.token.typ != TYP:
        raise OAuthError(Reason.ASSERTION_TYP)


def its_client_authenticates(presented: Presented) -> None:
    # > This specification SHOULD only be supported for confidential clients. (ID-JAG §8.1) The exception is an
    # administrator's, per issuer and host.
    if not presented.authenticated and presented.public_lifetime is None:
        raise OAuthError(Reason.CLIENT_IS_PUBLIC)


def its_issuer_is_the_trusted_one(presented: Presented) -> None:
    # > The JWT MUST contain an "iss" (issuer) claim that contains a unique identifier for the entity that issued the
    # > JWT. (RFC 7523 §3) Compared byte for byte, as issuers are.
    if presented.claims.get("iss") != presented.issuer:
        raise OAuthError(Reason.ISSUER_UNTRUSTED)


def it_is_not_our_own(presented: Presented) -> None:
    # > the IdP MUST NOT issue access tokens in response to an ID-JAG it issued itself (ID-JAG §8.3)
    if presented.issuer == presented.audience:
        raise OAuthError(Reason.ISSUER_IS_OURSELVES)


def its_signature_holds(presented: Presented) -> None:
    # > The authorization server MUST reject JWTs with an invalid signature or MAC. (RFC 7523 §3)
    try:
        jwts.verify(presented.token, presented.keys, typ=None)  # it_is_typed has judged that
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None


def it_is_for_us(presented: Presented) -> None:
    # > If the `aud` claim is an array, it MUST contain exactly one element, and that element MUST be the issuer
    # > identifier of the Resource Authorization Server. (ID-JAG §4.4.1) Byte for byte, nothing beside it (attack 16).
    audience = presented.claims.get("aud")
    if audience not in (presented.audience, [presented.audience]):
        raise OAuthError(Reason.ASSERTION_AUDIENCE)


def its_client_presents_it(presented: Presented) -> None:
    # > The `client_id` claim MUST identify the same client as the client authentication in the request. (ID-JAG §4.4.1)
    client_id = presented.claims.get("client_id")
    if client_id is None:
        raise OAuthError(Reason.ASSERTION_CLIENT_MISSING)
    if client_id != presented.client_id:
        raise OAuthError(Reason.ASSERTION_OF_ANOTHER_CLIENT)


def it_is_in_time(presented: Presented) -> None:
    # > The authorization server MUST reject any JWT with an expiration time that has passed, subject to allowable clock
    # > skew between systems. (RFC 7523 §3) `exp` and `iat` are both REQUIRED (ID-JAG §3).
    try:
        jwts.check_times(
            presented.claims,
            presented.now,
            leeway=CLOCK_SKEW,
            max_lifetime=LONGEST_LIFETIME,
            require=("exp", "iat"),
        )
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None


def it_is_short_without_a_secret(presented: Presented) -> None:
    # Who stole the ID-JAG of a client that proves nothing can redeem it as that client could, for as long as it lives:
    # by its own times, to the second (attack 19). `it_is_in_time` has judged that they are there and are numbers.
    if presented.authenticated or presented.public_lifetime is None:
        return
    issued, expires = presented.claims["iat"], presented.claims["exp"]
    if presented.now >= expires:
        raise OAuthError(Reason.ASSERTION_EXPIRED, detail="public client")
    if issued > presented.now + PUBLIC_CLOCK_SKEW:
        raise OAuthError(Reason.ASSERTION_NOT_YET_VALID, detail="public client")
    if expires - issued > presented.public_lifetime:
        raise OAuthError(Reason.ASSERTION_LIFETIME, detail=f"public client: {presented.public_lifetime} s at the most")


def it_names_its_subject(presented: Presented) -> None:
    # > The JWT MUST contain a "sub" (subject) claim identifying the principal that is the subject of the JWT.
    # > (RFC 7523 §3)
    if not _is_identifier(presented.claims.get("sub")):
        raise OAuthError(Reason.ASSERTION_SUBJECT)


def it_has_an_id_of_its_own(presented: Presented) -> None:
    # > `jti`: REQUIRED (ID-JAG §3): what makes it good for once.
    if not _is_identifier(presented.claims.get("jti")):
        raise OAuthError(Reason.ASSERTION_JTI)


def its_resource_is_well_formed(presented: Presented) -> None:
    # > In this profile, the `resource` claim MUST contain the Resource Identifier of the MCP Server if present.
    # > (MCP enterprise-managed authorization §4.3) Without one the request and policy decide; one that is there limits,
    # and an empty list of resources is a grant of nothing, not of everything (attack 20).
    claim = presented.claims.get("resource")
    if claim is None:
        return
    resources = claim if isinstance(claim, list) else [claim]
    if not resources or not all(isinstance(resource, str) and resource for resource in resources):
        raise OAuthError(Reason.ASSERTION_CLAIM, detail="resource")


def its_scope_is_well_formed(presented: Presented) -> None:
    # > `scope`: a JSON string containing a space-separated list of scopes (ID-JAG §3)
    if "scope" not in presented.claims:
        return
    scope = presented.claims["scope"]
    # An empty list of scopes is a grant of nothing, not of everything; blanks name no scope.
    if not isinstance(scope, str) or not scope.strip(" "):
        raise OAuthError(Reason.ASSERTION_CLAIM, detail="scope")
    try:
        scopes.parse(scope)
    except OAuthError:
        raise OAuthError(Reason.ASSERTION_CLAIM, detail="scope") from None


def it_has_no_authorization_details(presented: Presented) -> None:
    # > the Resource Authorization Server MUST parse it as a JSON array and process each authorization detail object
    # > (ID-JAG §4.4.1). We know no type of them, and leaving a limit out would broaden the grant (RFC 9396 §5).
    if "authorization_details" in presented.claims:
        raise OAuthError(Reason.AUTHORIZATION_DETAILS)


def it_is_bound_to_no_key(presented: Presented) -> None:
    # > If the ID-JAG contains a `cnf` claim but the client does not present a DPoP proof, the Resource Authorization
    # > Server MUST reject the request with an `invalid_grant` error (ID-JAG §8.6.1). We take no proofs.
    if "cnf" in presented.claims:
        raise OAuthError(Reason.ASSERTION_KEY_BOUND)


def its_tenants_are_well_formed(presented: Presented) -> None:
    # > `tenant`: JSON string that represents the tenant identifier for a multi-tenant issuer (ID-JAG §3)
    if "tenant" in presented.claims and not _is_identifier(presented.claims["tenant"]):
        raise OAuthError(Reason.ASSERTION_TENANT)
    # > `aud_tenant`: [...] a Resource Authorization Server tenant identifier. This claim is only included when the
    # > Resource Authorization Server is multi-tenant and the IdP knows the tenant identifier. (ID-JAG §3) We have one
    # tenant. A name that no administrator said is ours limits the grant to somebody else's.
    named = presented.claims.get("aud_tenant")
    if named is not None and (not _is_identifier(named) or named != presented.aud_tenant):
        raise OAuthError(Reason.ASSERTION_TENANT, detail=f"aud_tenant: {harmless(str(named))}")


def its_authentication_is_well_formed(presented: Presented) -> None:
    # `auth_time`, `acr` and `amr` are optional (ID-JAG §3), but rules decide by them: what is there must be right.
    claims = presented.claims
    if "auth_time" in claims and not _is_time(claims["auth_time"]):
        raise OAuthError(Reason.ASSERTION_CLAIM, detail="auth_time")
    if "acr" in claims and not _is_identifier(claims["acr"]):
        raise OAuthError(Reason.ASSERTION_CLAIM, detail="acr")
    amr = claims.get("amr", [])
    if not isinstance(amr, list) or len(amr) > 20 or not all(_is_identifier(method) for method in amr):
        raise OAuthError(Reason.ASSERTION_CLAIM, detail="amr")


def its_actor_is_well_formed(presented: Presented) -> None:
    # > `act`: [...] When present, this claim identifies the actor that is acting on behalf of the subject (ID-JAG §3)
    check_actor(presented.claims)


def check_actor(claims: Mapping[str, Any]) -> None:
    """Raises OAuthError for an `act` that names nobody, at any depth (RFC 8693 §4.1)."""
    bearer: Any = claims
    while "act" in bearer:
        bearer = bearer["act"]
        if not isinstance(bearer, dict) or not _is_identifier(bearer.get("sub")):
            raise OAuthError(Reason.ASSERTION_CLAIM, detail="act")


RULES: Final[tuple[Rule, ...]] = (
    it_is_typed,
    its_client_authenticates,
    its_issuer_is_the_trusted_one,
    it_is_not_our_own,
    its_signature_holds,
    it_is_for_us,
    its_client_presents_it,
    it_is_in_time,
    it_is_short_without_a_secret,
    it_names_its_subject,
    it_has_an_id_of_its_own,
    its_resource_is_well_formed,
    its_scope_is_well_formed,
    it_has_no_authorization_details,
    it_is_bound_to_no_key,
    its_tenants_are_well_formed,
    its_authentication_is_well_formed,
    its_actor_is_well_formed,
)


def _resources(claims: Mapping[str, Any]) -> tuple[str, ...]:
    claim = claims.get("resource")
    if claim is None:
        return ()
    return tuple(claim) if isinstance(claim, list) else (claim,)


def _is_identifier(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_IDENTIFIER


def _is_time(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value < 2**53


# --- Building one ---------------------------------------------------------------------------------------------------


def build(
    *,
    issuer: str,
    audience: str,
    subject: str,
    client_id: str,
    resource: str,
    scope: Sequence[str],
    jti: str,
    now: float,
    lifetime: int = LIFETIME,
    authentication: Mapping[str, Any] | None = None,
    email: str = "",
    act: Mapping[str, Any] | None = None,
    tenant: str = "",
    aud_tenant: str = "",
    aud_sub: str = "",
) -> dict[str, Any]:
    """The claims of an ID-JAG (ID-JAG §3). `client_id` and `subject` are those that the audience knows.

    resource        "" for all of the audience's.
    lifetime        in seconds, 300 at most.
    authentication  the claims `auth_time`, `acr` and `amr`, as far as they are known (`SignIn.claims`).
    email           only where it is known to be the person's: it is asserted as verified.
    """
    issued_at = int(now)
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "client_id": client_id,
        "jti": jti,
        "iat": issued_at,
        "exp": issued_at + min(lifetime, LIFETIME),
    }
    if resource:
        claims["resource"] = resource
    if scope:
        claims["scope"] = scopes.join(scope)
    claims |= authentication or {}
    if act:
        claims["act"] = dict(act)
    named = {"tenant": tenant, "aud_tenant": aud_tenant, "aud_sub": aud_sub}
    claims |= {name: value for name, value in named.items() if value}
    # > It is RECOMMENDED that the ID-JAG contain an `email` and/or `aud_sub` claim. (ID-JAG §3)
    if email:
        claims |= {"email": email, "email_verified": True}
    return claims
