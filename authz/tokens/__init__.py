"""Access tokens: RFC 9068 JWTs, stateless and short. Each names the authorization that it was issued under.

mint, outside a transaction · `with issuing(token)`: claim what the grant consumes, write what it changes · answer
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings

from authz import audit, decisions, dpop, keys
from authz.authorizations import AuthorizationReference
from authz.conf import conf
from authz.database import configuration_cache
from authz.database.raw_sql import Statement
from authz.database.transactions import in_unit_of_work, last_statement, unit_of_work
from authz.models import ProtectedResource
from authz.policy import Decision
from authz.protocol import delegation, jwks, jwts, scopes
from authz.protocol.dpop_proofs import Proof
from authz.protocol.errors import OAuthError, Reason
from authz.protocol.timed_ids import new_id
from authz.registry import TokenRequest
from authz.sign_in.sign_in import SignIn
from authz.tokens.extension_claims import claims_for

# > JWT access tokens MUST include this media type in the "typ" header parameter … "at+jwt" (RFC 9068 §2.1)
TYP = "at+jwt"
IDENTITY_TOKEN_LIFETIME = 600
# Of so many tokens, some 3 KiB each, a process remembers that their signature is good.
VERIFIED_MAX = 2000


class Issued(Protocol):
    """Something that was signed and is about to be issued. `record` writes its audit record; `proof` is that of the key
    it is bound to.
    """

    @property
    def proof(self) -> Proof | None: ...
    def record(self) -> object: ...


@contextmanager
def issuing(issued: Issued) -> Iterator[None]:
    """The transaction that issues what was signed before it. Each grant that writes more than the audit record uses it.

    A proof of possession is claimed first. The body claims, in one statement, what the grant consumes; then it writes
    what takes effect. The audit record comes last (invariant 4). A refusal in the body issues nothing and keeps what
    the body wrote (invariant 1); any other exception undoes all of it.
    """
    with unit_of_work():
        if issued.proof is not None:
            dpop.claim(issued.proof)
        yield
        with last_statement():
            issued.record()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A signed token, with what its response and its audit record say of it.

    lifetime  in seconds.
    person    the person's `sub`; "" where none is involved.
    proof     of the key that it is bound to; None: who has it may use it.
    detail    what the audit record says of the request and the decision.
    """

    jwt: str
    jti: str
    authorization: UUID
    client_id: str
    subject: str
    person: str
    audience: str
    lifetime: int
    scopes: tuple[str, ...]
    proof: Proof | None
    detail: Mapping[str, object] = field(repr=False)

    def response(self) -> dict[str, Any]:
        """The successful response's members (RFC 6749 §5.1)."""
        return {
            "access_token": self.jwt,
            # > token_type: […] DPoP (RFC 9449 §5): the token is bound to the key.
            "token_type": "DPoP" if self.proof else "Bearer",
            "expires_in": self.lifetime,
            "scope": scopes.join(self.scopes),
        }

    def record(self, claim: Statement | None = None) -> bool:
        """Write the audit record without which no token is issued (invariant 4).

        Where nothing else is written this one statement is the transaction. On PostgreSQL it may bring a claim along,
        and is False where that lost (`audit.record`). Raises what the database raises.
        """
        return audit.record(
            audit.Event.TOKEN_ISSUED,
            client_id=self.client_id,
            subject=self.person,
            resource=self.audience,
            authorization=self.authorization,
            detail=self.detail,
            claim=claim,
        )


def issue_alone(token: AccessToken) -> None:
    """Issue a token with which nothing is written but its record: one statement is a transaction of its own (invariant
    4). Raises OAuthError for a proof that was used before.
    """
    if token.proof is None:
        token.record()
    elif settings.IS_SQLITE:
        with issuing(token):
            pass
    elif not token.record(claim=dpop.claim_statement(token.proof)):
        raise OAuthError(Reason.DPOP_PROOF_REPLAYED)


def mint(
    request: TokenRequest,
    *,
    grant_type: str,
    authorization: AuthorizationReference,
    sign_in: SignIn | None,
    resource: ProtectedResource | None,
    decision: Decision,
    scope: Sequence[str] | None = None,
    subject: str | None = None,
    extra: Mapping[str, Any] | None = None,
    lineage: Mapping[str, object] | None = None,
) -> AccessToken:
    """Sign an access token for one resource, by a decision that allows it. The token isn't issued yet.

    sign_in   the person's; None where no person is involved: then the client is the subject (RFC 9068 §2.2).
    resource  None: the token is for this server's own /userinfo alone.
    scope     the decision's, if left out.
    subject   who is the subject where no person is and the client acts for another one, the root of a chain.
    extra     further claims.
    lineage   what the audit record says beside the request and the decision.

    Raises OAuthError where no key may sign, and where the client has to show a key and did not. Not inside
    `unit_of_work()`: no lock is held while a key works.
    """
    if in_unit_of_work():
        raise RuntimeError("a token is signed before the transaction that issues it")
    require_proof(request, resource, decision)
    client_id = request.client.client_id
    subject = sign_in.subject if sign_in else subject or client_id
    audience = resource.identifier if resource else conf.endpoint("userinfo")
    lifetime = _lifetime(resource, decision)
    names = tuple(decision.scopes if scope is None else scope)
    issued_at = int(request.now)
    # In hex: an identifier that may begin with a dash is no argument of a command.
    jti = new_id(request.now)
    claims: dict[str, Any] = {
        "iss": conf.issuer,
        "sub": subject,
        "aud": audience,
        "client_id": client_id,
        "scope": scopes.join(names),
        "iat": issued_at,
        "exp": issued_at + lifetime,
        "jti": jti,
        "authorization": str(authorization.id),
        **(sign_in.claims() if sign_in else {}),
    }
    if authorization.status is not None:
        claims["status"] = authorization.status.claim()
    if resource is not None and resource.may_act:
        claims["may_act"] = delegation.may(conf.issuer, resource.may_act)
    claims |= extra or {}
    if request.proof is not None:
        # > cnf […] jkt: The JWK SHA-256 Thumbprint […] of the DPoP public key […] to which the access token is bound.
        # > (RFC 9449 §6.1)
        claims["cnf"] = {"jkt": request.proof.jkt}
    if resource is not None and decision.question is not None:
        # What is there already stays: an extension adds, and shadows nothing.
        claims = claims_for(decision.question, audience, request.now) | claims
    alg = resource.access_token_signing_alg if resource else "RS256"
    return AccessToken(
        jwt=keys.sign(claims, typ=TYP, alg=alg, now=request.now),
        jti=jti,
        authorization=authorization.id,
        client_id=client_id,
        subject=subject,
        person=sign_in.subject if sign_in else "",
        audience=audience,
        lifetime=lifetime,
        scopes=names,
        proof=request.proof,
        detail={
            "grant_type": grant_type,
            "auth_method": request.auth_method,
            "jti": jti,
            "scope": scopes.join(names),
            "lifetime": lifetime,
            **({"jkt": request.jkt} if request.proof else {}),
            **decisions.traced(decision),
            **(lineage or {}),
        },
    )


def require_proof(request: TokenRequest, resource: ProtectedResource | None, decision: Decision) -> None:
    """Raises OAuthError for a request without a proof of possession, where client, resource or a rule demands one."""
    if request.proof is not None:
        return
    # > If […] set to true, […] the authorization server MUST reject token requests from the client that do not contain
    # > the DPoP header. (RFC 9449 §5.2, dpop_bound_access_tokens)
    if request.client.dpop_bound_access_tokens:
        raise OAuthError(Reason.DPOP_PROOF_MISSING, detail="client")
    if resource is not None and resource.dpop_bound_access_tokens_required:
        raise OAuthError(Reason.DPOP_PROOF_MISSING, detail="resource")
    if decision.proof_of_possession:
        raise OAuthError(Reason.DPOP_PROOF_MISSING, detail="rule", facts={"rules": list(decision.rules)})


def _lifetime(resource: ProtectedResource | None, decision: Decision) -> int:
    longest = resource.access_token_lifetime if resource else IDENTITY_TOKEN_LIFETIME
    return longest if decision.lifetime is None else min(longest, decision.lifetime)


def read(jwt: str, *, now: float) -> dict[str, Any]:
    """The claims of an access token of ours that has not expired. Raises `jwts.JwtError` for anything else."""
    claims = _signed_claims(now)(jwt)
    jwts.check_times(claims, now, leeway=0)
    # Attack: the token of a check (docs/decisions/0097) is signed like any other, and nothing stands behind it.
    if claims.get("iss") != conf.issuer or not isinstance(claims.get("authorization"), str):
        raise jwts.JwtError(jwts.JwtProblem.MALFORMED)
    return dict(claims)


def _signed_claims(now: float) -> Callable[[str], Mapping[str, Any]]:
    """The claims of a token that one of the JWKS's keys has signed, by the token's text. A token is presented with each
    call of a tool, and verifying it costs more than deciding the call. What is remembered is only the signature, while
    the keys are the same; a text that fails is not remembered."""
    return configuration_cache.cached(
        ("signed claims", keys.published_kids(now)), lambda: _remembering(keys.verification_keys(now))
    )


def _remembering(usable: Sequence[jwks.Key]) -> Callable[[str], Mapping[str, Any]]:
    return lru_cache(VERIFIED_MAX)(lambda jwt: jwts.verify(jwt, usable, algorithms=keys.ALGORITHMS, typ={TYP}).claims)
