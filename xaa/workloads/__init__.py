"""Workload identity federation (SEP-1933): whose workload an assertion speaks of, and which of our clients that is.

Kubernetes service accounts, GitHub Actions, SPIFFE JWT-SVIDs: each platform signs for its workloads, so the workload
needs no secret of ours. Pure: told by the issuer's configuration and the claims alone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import takewhile
from typing import Any, Final

from authz.protocol import jwts, patterns
from authz.protocol.errors import OAuthError
from authz.protocol.jwks import Key
from authz.protocol.jwts import JwtError, Unverified
from xaa.reasons import BY_JWT_PROBLEM, Reason
from xaa.workloads import spiffe, workload_claims

# No special typ exists for workload assertions; kinds that mean something else have one, and are refused (attack 16).
TYPES: Final = frozenset({None, "JWT", "JOSE"})
USUAL_LIFETIME: Final = 24 * 3600  # seconds; an issuer may be configured for more (xaa/models/trusted_issuer.py)
_LONGEST_SUBJECT: Final = 2048


@dataclass(frozen=True, slots=True)
class Binding:
    """Workloads whose subject matches `subject`, and whose claims hold `claims`, are the client `client_id`."""

    subject: str
    client_id: str
    claims: Mapping[str, Any] = field(default_factory=dict)
    reuse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A workload that its platform vouches for. `jti` is its own, or the assertion's digest where it has none.

    `reuse`: one of the bindings that make it this client lets its assertion serve until it expires.
    """

    issuer: str
    subject: str
    jti: str
    expires: float
    reuse: bool = False


def matches(binding: Binding, claims: Mapping[str, Any]) -> bool:
    """Whether the binding is about the workload with these claims, which a signature of its issuer vouches for."""
    return _subject_matches(binding, claims) and not workload_claims.differences(binding.claims, claims)


def _subject_matches(binding: Binding, claims: Mapping[str, Any]) -> bool:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        return False
    # A star inside stands for one segment: in `repo:acme/*:environment:production` it must not swallow the separators,
    # or a repository or branch with a well-chosen name could write itself into another place (attack 23).
    return patterns.matches(binding.subject, subject)


def nearest(bindings: Iterable[Binding], claims: Mapping[str, Any]) -> str:
    """The binding that comes nearest to claims that none matches, and where they differ; "" without any binding.

    For operators: it says what the assertion says, each value with its type.
    """
    compared = [(_differences(binding, claims), binding) for binding in bindings]
    if not compared:
        return ""
    found, binding = min(compared, key=lambda one: (len(one[0]), -_common(one[1].subject, claims.get("sub"))))
    return f"nearest is {binding.subject} for {binding.client_id}: {'; '.join(found)}"


def _differences(binding: Binding, claims: Mapping[str, Any]) -> list[str]:
    found = [str(one) for one in workload_claims.differences(binding.claims, claims)]
    if not _subject_matches(binding, claims):
        seen = workload_claims.shown(claims["sub"]) if "sub" in claims else "absent"
        found.insert(0, f"sub is {seen}, and the binding wants {binding.subject}")
    return found


def _common(pattern: str, subject: object) -> int:
    """How many characters at their beginnings are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(pattern, str(subject), strict=False)))


def clients_of(bindings: Iterable[Binding], claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The client_ids that these claims stand for, each once, in the bindings' order."""
    return tuple(dict.fromkeys(binding.client_id for binding in bindings if matches(binding, claims)))


def verified(token: Unverified, keys: Sequence[Key]) -> Mapping[str, Any]:
    """The claims of an assertion of this kind that one of the issuer's keys signed. Raises OAuthError."""
    try:
        return jwts.verify(token, keys, typ=TYPES).claims
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None


def verify(
    token: Unverified,
    keys: Sequence[Key],
    bindings: Sequence[Binding],
    *,
    issuer: str,
    audience: str,
    client_id: str,
    now: float,
    audiences: Collection[str] = (),
    max_lifetime: float = USUAL_LIFETIME,
) -> Workload:
    """The workload that the assertion speaks of, if it may act as `client_id`. Raises OAuthError.

    `audience` is our issuer identifier; SDKs that write it with a slash at the end mean us too (interop 2). `audiences`
    is what the platform writes in its stead. `max_lifetime` is in seconds.
    """
    claims = verified(token, keys)
    try:
        if not _is_of(issuer, claims):
            raise OAuthError(Reason.ISSUER_UNTRUSTED)
        if issuer == audience:
            raise OAuthError(Reason.ISSUER_IS_OURSELVES)
        _check_audience(claims.get("aud"), {audience, f"{audience}/", *audiences})
        jwts.check_times(claims, now, leeway=jwts.CLOCK_SKEW, max_lifetime=max_lifetime)
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None
    if "cnf" in claims:
        raise OAuthError(Reason.ASSERTION_KEY_BOUND)
    clients = clients_of(bindings, claims)
    if not clients:
        raise OAuthError(Reason.WORKLOAD_UNKNOWN, detail=nearest(bindings, claims))
    if client_id not in clients:
        raise OAuthError(Reason.CLIENT_IS_NOT_A_WORKLOAD)
    return Workload(
        issuer=issuer,
        subject=claims["sub"],
        jti=_jti(token),
        expires=float(claims["exp"]) + jwts.CLOCK_SKEW,
        reuse=any(one.reuse for one in bindings if one.client_id == client_id and matches(one, claims)),
    )


def _is_of(issuer: str, claims: Mapping[str, Any]) -> bool:
    """Whether the claims are the issuer's to make: a trust domain need not name itself, and speaks for no other."""
    if spiffe.is_trust_domain(issuer):
        return claims.get("iss", issuer) == issuer and spiffe.trust_domain(claims.get("sub")) == issuer
    return claims.get("iss") == issuer


def _check_audience(aud: object, accepted: Collection[str]) -> None:
    # > The JWT MUST contain an "aud" (audience) claim containing a value that identifies the authorization server as
    # > an intended audience. (RFC 7523 §3) And no one beside us, who could use it here (attack 16).
    named = aud if isinstance(aud, list) else [aud]
    if not named or not all(isinstance(one, str) and one in accepted for one in named):
        raise OAuthError(Reason.ASSERTION_AUDIENCE)


def _jti(token: Unverified) -> str:
    """What is claimed once. A JWT-SVID has no jti (and an unhelpful platform may send a number): its digest serves."""
    jti = token.claims.get("jti")
    if isinstance(jti, str) and 0 < len(jti) <= 512:
        return jti
    return "sha256:" + sha256(token.signing_input).hexdigest()
