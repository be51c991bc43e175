"""The `subject_token` of a delegation: an access token of ours that was issued for the client that exchanges it.

Which of these checks fails is in the audit alone: the client is told that it cannot exchange this token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from authz import audit, resources, tokens
from authz.conf import conf
from authz.decisions import chain
from authz.decisions.chain import Chain
from authz.models import Client, ProtectedResource
from authz.policy import Actor, StepUp
from authz.protocol import delegation, jwts, params
from authz.protocol.errors import OAuthError
from authz.protocol.errors import Reason as CoreReason
from authz.registry import TokenRequest
from authz.sign_in.sign_in import SignIn, sign_in_of
from authz.tokens.live import LiveToken, live_token
from xaa.reasons import Reason
from xaa.step_up import step_up

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  an identifier, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A token that this client may exchange.

    resource  whose token it is.
    chain     all that it rests on, itself last, as it is at this moment.
    before    the `act` that other domains have written into the root; {} for none.
    """

    token: LiveToken
    resource: ProtectedResource
    sign_in: SignIn | None
    chain: Chain
    before: Mapping[str, Any]

    @property
    def through(self) -> tuple[Actor, ...]:
        """The clients that it came through, the root's first."""
        return chain.path(self.chain)

    @property
    def root(self) -> str:
        """The agent at the root of the chain, for which it is where no person is."""
        return self.chain[0].client.client_id

    @property
    def scopes(self) -> frozenset[str]:
        """What it may be passed on for: its own scopes, as far as the chain still has them."""
        return self.chain[-1].scopes.intersection(str(self.token.claims["scope"]).split())

    def act(self, client: Client) -> dict[str, Any]:
        """The `act` of what this client gets for it."""
        clients = [*(actor.client_id for actor in self.through), client.client_id]
        return delegation.acting(conf.issuer, clients, self.before)

    def lifetime(self, now: float) -> int:
        """The seconds that what is got for it may live: no longer than it, and than each authorization above."""
        ends = [float(self.token.claims["exp"])]
        rows = (link.authorization for link in self.chain)
        ends += [row.expires.timestamp() for row in rows if row.expires is not None]
        return int(min(ends) - now)

    def traced(self) -> dict[str, object]:
        """What the audit says of it."""
        return {
            "subject_token": "access_token",
            "subject_jti": self.token.claims["jti"],
            "parent": str(self.token.authorization.pk),
            "through": [actor.client_id for actor in self.through],
            "from": self.resource.identifier,
        }


def is_asked(request_params: Mapping[str, str]) -> bool:
    """Whether a token exchange is a delegation: its subject token is an access token."""
    return request_params.get("subject_token_type") == ACCESS_TOKEN


def read(request: TokenRequest) -> Subject:
    """The subject token of a request. Raises OAuthError."""
    claims = _claims(params.required(request.params, "subject_token"), request.now)
    resource = _issued_for(claims, request.client)
    if not delegation.is_let(claims.get("may_act"), conf.issuer, request.client.client_id):
        raise OAuthError(Reason.EXCHANGE_NOT_LET)
    token = live_token(claims, resource, request.now)
    if token is None:
        raise OAuthError(Reason.EXCHANGE_ENDED)
    audit.concerns(subject=token.subject, authorization=token.authorization.pk)
    _require_key(token, request)
    before = _before(token)
    _check_hops(token)
    user = token.authorization.user
    sign_in = sign_in_of(user, token.authorization) if user else None
    return Subject(
        token=token, resource=resource, sign_in=sign_in, chain=_chain(token, sign_in, request.now), before=before
    )


def _require_key(token: LiveToken, request: TokenRequest) -> None:
    """Attack: a token that only its client can use becomes one that anyone can use. So the client that exchanges a
    bound token shows a key of its own, to which what it gets is bound. It has not the key of the subject token, and the
    proof that it was shown was for its own address (RFC 9449 §4.3): that it is the audience is what it proves here.
    """
    if token.is_bound and request.proof is None:
        raise OAuthError(CoreReason.DPOP_PROOF_MISSING, detail="subject token")


def check_circle(subject: Subject, client: Client, resource: ProtectedResource | None) -> None:
    """Raises OAuthError where a client, or a resource of ours, would come twice: nothing is gained by going round, and
    what rules say of the first time would be lost."""
    clients = {link.client.pk for link in subject.chain}
    passed = {link.resource.pk for link in subject.chain}
    if client.pk in clients or (resource is not None and resource.pk in passed):
        raise OAuthError(Reason.EXCHANGE_CIRCLE)


def _claims(token: str, now: float) -> dict[str, Any]:
    # > If … the subject_token … [is] invalid for any reason, … The value of the "error" parameter MUST be the
    # > "invalid_request" error code. (RFC 8693 §2.2.2)
    try:
        return tokens.read(token, now=now)
    except jwts.JwtError as error:
        raise OAuthError(Reason.EXCHANGE_TOKEN, detail=error.problem.value) from None


def _issued_for(claims: Mapping[str, Any], client: Client) -> ProtectedResource:
    # Attack: a client that was shown, or stole, the token of another server.
    for resource in resources.cached().values():
        if resource.identifier == claims["aud"] and client.pk in resources.exchange_clients_of(resource):
            return resource
    raise OAuthError(Reason.EXCHANGE_NOT_AUDIENCE)


def _before(token: LiveToken) -> Mapping[str, Any]:
    """What other domains said of actors before the root; the rest of its `act` has to name the chain."""
    clients = [link.client.client_id for link in token.chain]
    if not clients:
        return delegation.actors_before(token.claims.get("act", {}), conf.issuer, ()) or {}
    before = delegation.actors_before(token.claims.get("act"), conf.issuer, [*clients, token.client.client_id])
    if before is None:
        raise OAuthError(Reason.EXCHANGE_ACT)
    return before


def _check_hops(token: LiveToken) -> None:
    if len(token.chain) + 1 > conf.delegation_hops:
        raise OAuthError(Reason.EXCHANGE_HOPS, detail=str(len(token.chain) + 1))


def _chain(token: LiveToken, sign_in: SignIn | None, now: float) -> Chain:
    """All of it, as if it were asked for now: a sign-in that has become too old for a rule is too old to go on with."""
    found = chain.down_to(token.authorization, sign_in, judged_at=now, now=now)
    if isinstance(found, StepUp):
        raise step_up(found, {})
    if found is None:
        raise OAuthError(Reason.EXCHANGE_ENDED, detail="now")
    return found
