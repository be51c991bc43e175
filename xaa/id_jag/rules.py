"""The processing rules of an ID-JAG, in their order (ID-JAG §4.4.1, RFC 7523 §3). A broken one raises OAuthError."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from authz.protocol import jwts, scopes
from authz.protocol.errors import OAuthError, harmless
from authz.protocol.jwts import JwtError
from xaa.id_jag.values import LONGEST_LIFETIME, PUBLIC_CLOCK_SKEW, TYP, Presented
from xaa.reasons import BY_JWT_PROBLEM, Reason

Rule = Callable[[Presented], None]
_LONGEST_IDENTIFIER: Final = 255


def it_is_typed(presented: Presented) -> None:
    # > Validate the JWT `typ` is `oauth-id-jag+jwt` (per Section 3.11 of [RFC8725]) (ID-JAG §4.4.1)
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
    # > skew between systems. (RFC 7523 §3)
    # `exp` and `iat` are both required (ID-JAG §3).
    try:
        jwts.check_times(
            presented.claims,
            presented.now,
            leeway=jwts.CLOCK_SKEW,
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
    # > `jti`: REQUIRED - Unique ID of this JWT (ID-JAG §3)
    # By it the ID-JAG is accepted once.
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
    # > `scope`: OPTIONAL - a JSON string containing a space-separated list of scopes associated with the token
    # > (ID-JAG §3)
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


def its_key_is_shown(presented: Presented) -> None:
    # > If the ID-JAG contains a `cnf` claim but the client does not present a DPoP proof, the Resource Authorization
    # > Server MUST reject the request with an `invalid_grant` error. […] Compare the two thumbprints. They MUST match
    # > exactly. If they do not match, the request MUST fail with an `invalid_grant` error. (ID-JAG §8.6)
    if "cnf" not in presented.claims:
        return
    confirmation = presented.claims["cnf"]
    # Another kind of confirmation beside it, or instead of it, is one that we cannot check (RFC 7800 §3.1).
    if not isinstance(confirmation, dict) or set(confirmation) != {"jkt"} or not presented.jkt:
        raise OAuthError(Reason.ASSERTION_KEY_BOUND)
    if confirmation["jkt"] != presented.jkt:
        raise OAuthError(Reason.ASSERTION_KEY_BOUND, detail="another key")


def its_tenants_are_well_formed(presented: Presented) -> None:
    # > `tenant`: OPTIONAL - JSON string that represents the tenant identifier for a multi-tenant issuer (ID-JAG §3)
    if "tenant" in presented.claims and not _is_identifier(presented.claims["tenant"]):
        raise OAuthError(Reason.ASSERTION_TENANT)
    # > `aud_tenant`: [...] This claim is only included when the Resource Authorization Server is multi-tenant and the
    # > IdP knows the tenant identifier. (ID-JAG §3)
    # We have one tenant. A name that no administrator said is ours limits the grant to another tenant.
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
    """Raises OAuthError for an `act` without a subject, at any depth (RFC 8693 §4.1)."""
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
    its_key_is_shown,
    its_tenants_are_well_formed,
    its_authentication_is_well_formed,
    its_actor_is_well_formed,
)


def _is_identifier(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_IDENTIFIER


def _is_time(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value < 2**53
