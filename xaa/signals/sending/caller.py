"""Who asks: a receiver, by an access token of this server that its client has for itself."""

from dataclasses import dataclass
from datetime import UTC, datetime

from authz import audit, dpop, resources, tokens
from authz.conf import conf
from authz.database import configuration_cache
from authz.endpoints.machine import Request
from authz.limits import rate_limits
from authz.protocol import jwts
from authz.protocol.dpop_proofs import Asked
from authz.protocol.errors import OAuthError
from authz.tokens.live import live_token
from xaa.models import SignalReceiver, SignalStream
from xaa.signals.sending.reasons import SendingReason

# > All the SSF stream configuration management API operations MUST accept `ssf.manage` scope
# > All the SSF stream configuration Read API operations MUST accept `ssf.read` scope (CAEP interoperability §2.7.2)
MANAGE, READ = "ssf.manage", "ssf.read"


@dataclass(frozen=True, slots=True)
class Caller:
    receiver: SignalReceiver
    may_manage: bool
    now: datetime

    def require_manage(self) -> None:
        """Raises `OAuthError`."""
        if not self.may_manage:
            raise OAuthError(SendingReason.SCOPE_MISSING, client_id=self.receiver.client, detail=MANAGE)

    def stream(self) -> SignalStream | None:
        return SignalStream.objects.filter(receiver=self.receiver).first()


def identifier() -> str:
    """The `resource` of access tokens for these endpoints."""
    return conf.endpoint("ssf")


def authenticated(request: Request, now: float) -> Caller:
    """The receiver of a request, by its Authorization header. Raises `OAuthError`.

    > MUST NOT accept access tokens in the query parameters (CAEP interoperability §2.7.3)
    > MUST verify the validity, integrity, expiration and revocation status of access tokens
    """
    rate_limits.admit()
    presented = dpop.presented(request.META.get("HTTP_AUTHORIZATION"))
    if presented is None:
        raise OAuthError(SendingReason.UNAUTHENTICATED)
    configuration_cache.begin()
    try:
        claims = tokens.read(presented.token, now=now)
    except jwts.JwtError:
        raise OAuthError(SendingReason.TOKEN_UNKNOWN) from None
    client = claims["client_id"]
    resource = resources.cached().get(resources.canonical(identifier()))
    if resource is None or claims["aud"] != resource.identifier:
        raise OAuthError(SendingReason.TOKEN_NOT_LIVE, client_id=client)
    found = live_token(claims, resource, now)
    # An agent that acts for a person is no receiver.
    if found is None or found.authorization.user_id is not None:
        raise OAuthError(SendingReason.TOKEN_NOT_LIVE, client_id=client)
    address = dpop.address_of(request.META, request.path)
    dpop.confirm(request.META, presented, claims, Asked(method=str(request.method), address=address, now=now))
    audit.proven(client)
    scopes = frozenset(str(claims["scope"]).split())
    if not scopes & {MANAGE, READ}:
        raise OAuthError(SendingReason.SCOPE_MISSING, client_id=client)
    receiver = SignalReceiver.objects.filter(client=client, enabled=True).first() if client else None
    if receiver is None:
        raise OAuthError(SendingReason.RECEIVER_UNKNOWN, client_id=client)
    rate_limits.of_asker("ssf:receiver", client, "")
    return Caller(receiver, MANAGE in scopes, datetime.fromtimestamp(now, UTC))
