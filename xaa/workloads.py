"""Workload identity federation (SEP-1933): whose workload an assertion speaks of, and which of our clients that is.

Kubernetes service accounts, GitHub Actions, SPIFFE JWT-SVIDs: each platform signs for its workloads, so the workload
needs no secret of ours. Pure: told by the issuer's configuration and the claims alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from authz.protocol import jwts, patterns
from authz.protocol.errors import OAuthError
from authz.protocol.jwks import Key
from authz.protocol.jwts import JwtError, Unverified
from xaa.reasons import BY_JWT_PROBLEM, Reason

# No special typ exists for workload assertions; kinds that mean something else have one, and are refused (attack 16).
TYPES: Final = frozenset({None, "JWT", "JOSE"})
LONGEST_LIFETIME: Final = 24 * 3600  # seconds; Kubernetes projects tokens for an hour by default, for a day at the most
CLOCK_SKEW: Final = 30
_LONGEST_SUBJECT: Final = 2048


@dataclass(frozen=True, slots=True)
class Binding:
    """Workloads whose subject matches `subject`, and whose claims hold `claims`, are the client `client_id`."""

    subject: str
    client_id: str
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A workload that its platform vouches for. `jti` is its own, or the assertion's digest where it has none."""

    issuer: str
    subject: str
    jti: str
    expires: float


def matches(binding: Binding, claims: Mapping[str, Any]) -> bool:
    """Whether the binding is about the workload with these claims, which a signature of its issuer vouches for."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        return False
    # A star inside stands for one segment: in `repo:acme/*:environment:production` it must not swallow the separators,
    # or a repository or branch with a well-chosen name could write itself into another place (attack 23).
    if not patterns.matches(binding.subject, subject):
        return False
    # Type and value: 1 is not true, and "1" is neither.
    return all(
        name in claims and type(claims[name]) is type(value) and claims[name] == value
        for name, value in binding.claims.items()
    )


def clients_of(bindings: Iterable[Binding], claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The client_ids that these claims stand for, each once, in the bindings' order."""
    return tuple(dict.fromkeys(binding.client_id for binding in bindings if matches(binding, claims)))


def verified(token: Unverified, keys: Sequence[Key]) -> Mapping[str, Any]:
    """The claims of an assertion of this kind that one of the issuer's keys signed. Raises OAuthError."""
    try:
        return jwts.verify(token, keys, typ=TYPES).claims
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None


def judge(
    token: Unverified,
    keys: Sequence[Key],
    bindings: Iterable[Binding],
    *,
    issuer: str,
    audience: str,
    client_id: str,
    now: float,
) -> Workload:
    """The workload that the assertion speaks of, if it may act as `client_id`. Raises OAuthError.

    `audience` is our issuer identifier; SDKs that write it with a slash at the end mean us too (interop 2).
    """
    claims = verified(token, keys)
    try:
        if claims.get("iss") != issuer:
            raise OAuthError(Reason.ISSUER_UNTRUSTED)
        if issuer == audience:
            raise OAuthError(Reason.ISSUER_IS_OURSELVES)
        # > The JWT MUST contain an "aud" (audience) claim containing a value that identifies the authorization server
        # > as an intended audience. (RFC 7523 §3) Nobody else beside us: they could use it here (attack 16).
        mine = {audience, f"{audience}/"}
        aud = claims.get("aud")
        named = aud[0] if isinstance(aud, list) and len(aud) == 1 else aud
        if not isinstance(named, str) or named not in mine:
            raise OAuthError(Reason.ASSERTION_AUDIENCE)
        jwts.check_times(claims, now, leeway=CLOCK_SKEW, max_lifetime=LONGEST_LIFETIME)
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None
    if "cnf" in claims:
        raise OAuthError(Reason.ASSERTION_KEY_BOUND)
    clients = clients_of(bindings, claims)
    if not clients:
        raise OAuthError(Reason.WORKLOAD_UNKNOWN)
    if client_id not in clients:
        raise OAuthError(Reason.CLIENT_IS_NOT_A_WORKLOAD)
    return Workload(issuer=issuer, subject=claims["sub"], jti=_jti(token), expires=float(claims["exp"]) + CLOCK_SKEW)


def _jti(token: Unverified) -> str:
    """What is claimed once. A JWT-SVID has no jti (and an unhelpful platform may send a number): its digest serves."""
    jti = token.claims.get("jti")
    if isinstance(jti, str) and 0 < len(jti) <= 512:
        return jti
    return "sha256:" + sha256(token.signing_input).hexdigest()
