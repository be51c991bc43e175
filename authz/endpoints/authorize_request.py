"""An authorization request with all that its answer depends on, as values."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from authz.models import Client, ProtectedResource, User
from authz.policy import Decision
from authz.protocol.authorization_request import AuthorizationRequest
from authz.protocol.params import Params
from authz.sign_in.session import BrowserSignIn


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationContext:
    """One authorization request: what was asked for, by which client, at which resource, from where, and when.

    arrived  when it came for the first time (authz/endpoints/arrivals.py); times are in seconds since the epoch.
    is_new   whether that is now.
    reference  of a request that was pushed ahead (authz/tokens/pushed_requests.py); "" for one in the address.
    """

    client: Client
    params: Params
    request: AuthorizationRequest
    resource: ProtectedResource | None
    address: str
    now: float
    arrived: float
    is_new: bool
    reference: str = ""

    def is_older(self, signed_in: BrowserSignIn, seconds: int) -> bool:
        """Whether the sign-in was older than so many seconds when the request arrived. A later sign-in is not."""
        return signed_in.at < self.arrived and self.arrived - signed_in.auth_time > seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a person may give the client: the decision on the resource, and the identity scopes beside it.

    declined  scopes that the rules would allow, and the person left out.
    """

    user: User
    signed_in: BrowserSignIn
    decision: Decision
    scopes: tuple[str, ...]
    identity_scopes: tuple[str, ...]
    declined: tuple[str, ...] = ()

    @property
    def all_scopes(self) -> tuple[str, ...]:
        return (*self.scopes, *self.identity_scopes)

    def narrowed(self, kept: Collection[str]) -> "Offer":
        """The same offer for these of its scopes alone."""
        return replace(
            self,
            scopes=tuple(name for name in self.scopes if name in kept),
            identity_scopes=tuple(name for name in self.identity_scopes if name in kept),
            declined=tuple(name for name in self.all_scopes if name not in kept),
        )
