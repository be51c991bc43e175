"""What an access token stands for now: its agent, person and authorization, as they are at this moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from authz import clients, decisions
from authz.authorizations import live
from authz.database.raw_sql import Statement
from authz.decisions.chain import Chain, above, is_standing, passed_on, path
from authz.decisions.question import ARRIVED
from authz.dpop import bound_key
from authz.models import Authorization, Client, ProtectedResource
from authz.policy import AccessQuestion, ToolCall
from authz.protocol import jwts
from authz.sign_in.sign_in import SignIn, sign_in_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveToken:
    """A token that is good now. `judged_at`: when its sign-in's age was judged, in seconds since the epoch.

    chain  what it rests on where it was exchanged for another token, the root first; () where it was not.
    """

    claims: Mapping[str, Any]
    client: Client
    authorization: Authorization
    resource: ProtectedResource
    sign_in: SignIn | None
    judged_at: float
    chain: Chain = ()

    @property
    def scopes(self) -> list[str]:
        return str(self.claims["scope"]).split()

    @property
    def is_bound(self) -> bool:
        """To a key that its client shows."""
        return bool(bound_key(self.claims))

    def question(self, tool: ToolCall | None = None) -> AccessQuestion:
        """May its holder do this; without a call: may it have this token?"""
        return decisions.access_question(
            client=self.client,
            sign_in=self.sign_in,
            grant_type=self.authorization.grant_type,
            resource=self.resource,
            scopes=self.scopes,
            tool=tool,
            through=path(self.chain),
        )

    @property
    def subject(self) -> str:
        """The person's `sub`; "" where the agent acts for itself."""
        return str(self.authorization.user.subject) if self.authorization.user else ""


def reading(jwt: str) -> Sequence[Statement]:
    """What `live_token` reads of a token, to be read ahead. Its signature is verified later, with keys that are read
    before."""
    try:
        return live.reading(UUID(str(jwts.parse(jwt).claims.get("authorization"))))
    except (jwts.JwtError, ValueError):
        return ()


def live_token(claims: Mapping[str, Any], resource: ProtectedResource, moment: float) -> LiveToken | None:
    """What verified claims stand for; None if revoked, suspended, deactivated or no longer allowed as a whole, or where
    any of this holds of what it was exchanged for."""
    found = before_rules(claims, resource, moment)
    return found if found is not None and is_still_allowed(found, moment) else None


def is_still_allowed(token: LiveToken, moment: float) -> bool:
    """Whether the rules still allow the token as a whole."""
    return decisions.still_allowed(token.question(), issued_at=token.judged_at, now=moment, is_bound=token.is_bound)


def before_rules(claims: Mapping[str, Any], resource: ProtectedResource, moment: float) -> LiveToken | None:
    """The same without the rules, for a caller that asks them itself."""
    authorization = live.find_with_groups(UUID(claims["authorization"]))
    client = clients.registered(claims["client_id"])
    if authorization is None or client is None or authorization.resource_id != resource.pk:
        return None
    if not is_standing(authorization, client, moment):
        return None
    # What demands a proof may have been changed since: a token that anyone may use is none there any more.
    if resource.dpop_bound_access_tokens_required and not bound_key(claims):
        return None
    sign_in = sign_in_of(authorization.user, authorization) if authorization.user else None
    judged_at = _judged_at(authorization, claims["iat"])
    chain = above(authorization, sign_in, judged_at=judged_at, now=moment)
    if chain is None or (chain and not passed_on(chain, resource) >= set(str(claims["scope"]).split())):
        return None
    return LiveToken(
        claims=claims,
        client=client,
        authorization=authorization,
        resource=resource,
        sign_in=sign_in,
        judged_at=judged_at,
        chain=chain,
    )


def _judged_at(authorization: Authorization, issued_at: float) -> float:
    """When the sign-in's age was judged: for the token of a code, when the authorization request arrived."""
    if issued_at <= authorization.created.timestamp():
        return float(authorization.lineage.get(ARRIVED, issued_at))
    return issued_at
