"""The `actor_token` of a delegation: a workload's assertion, by which a client without a secret proves who it is.

> `actor_token`: A security token that represents the identity of the acting party. (RFC 8693 §2.1)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from authz import registry
from authz.database import replay
from authz.protocol import jwts, params
from authz.protocol.errors import OAuthError, harmless
from authz.protocol.jwts import JwtError, Unverified
from authz.registry import TokenRequest
from authz.tokens.deferrals import SingleUse
from xaa import trusted_issuers
from xaa.reasons import BY_JWT_PROBLEM, Reason
from xaa.redeeming import workload_grant
from xaa.trusted_issuers import Use
from xaa.workloads import Workload

JWT: Final = "urn:ietf:params:oauth:token-type:jwt"


@dataclass(frozen=True, slots=True)
class Proof:
    """The workload that vouches for the client, and what its assertion uses up (None: it may be used again)."""

    workload: Workload
    use: SingleUse | None

    def claim(self) -> None:
        """Use the assertion up, in the transaction that issues. Raises OAuthError."""
        if self.use is not None and not replay.claim(self.use.issuer, self.use.jti, self.use.expires):
            raise OAuthError(Reason.WORKLOAD_ASSERTION_USED)


def client_id(request_params: Mapping[str, str]) -> str | None:
    """The client of a request that names none: that of its workload. Raises OAuthError."""
    if "actor_token" not in request_params:
        return None
    return workload_grant.client_of(_parsed(request_params))


def proof(request: TokenRequest) -> Proof | None:
    """The workload that proves the client of a request; None where it has authenticated without. Raises OAuthError."""
    # > `actor_token_type`: … REQUIRED when the "actor_token" parameter is present in the request but MUST NOT be
    # > included otherwise. (RFC 8693 §2.1)
    if "actor_token" not in request.params:
        if "actor_token_type" in request.params:
            raise OAuthError(Reason.ACTOR_TOKEN_TYPE, detail="without an actor_token")
        # Attack: a public client proves nothing, and anyone with its id could pass on what it was given.
        if request.auth_method == registry.PUBLIC:
            raise OAuthError(Reason.CLIENT_IS_PUBLIC)
        return None
    token = _parsed(request.params)
    trust = trusted_issuers.require(trusted_issuers.of(token), Use.WORKLOAD)
    # Attack: one actor authenticates and another is named. The assertion has to be of a workload of this very client.
    workload = workload_grant.verified(trust, token, request)
    return Proof(workload, workload_grant.use_of(trust, workload, request.client))


def _parsed(request_params: Mapping[str, str]) -> Unverified:
    kind = params.required(request_params, "actor_token_type")
    if kind != JWT:
        raise OAuthError(Reason.ACTOR_TOKEN_TYPE, detail=harmless(kind))
    try:
        return jwts.parse(request_params["actor_token"])
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None
