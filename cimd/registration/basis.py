"""What let a registration in, and whether that still holds: a PUT is judged by it (RFC 7592 §2.2; attack 41)."""

from dataclasses import dataclass, replace

from authz.models import Client
from authz.protocol import host_patterns, redirect_uris
from authz.protocol.client_metadata import ClientMetadata
from authz.protocol.errors import OAuthError, harmless
from cimd import changes
from cimd.changes import Change
from cimd.models import Registration
from cimd.policy import Policy
from cimd.reasons import Reason


@dataclass(frozen=True, slots=True)
class Basis:
    """`holds`: it would let the same registration in today. `hosts`: those of its redirect URIs; None: any."""

    holds: bool
    hosts: tuple[str, ...] | None


def of(client: Client, policy: Policy) -> Basis:
    """The basis of a registration. One from before this was kept counts as one that came by its hosts."""
    row = Registration.objects.filter(client=client).first()
    if row is not None and row.token_digest:
        return Basis(policy.registration and row.token_digest in policy.registration_token_digests, None)
    hosts = policy.registration_hosts
    return Basis(policy.registration and are_on(client.redirect_uri_list, hosts), hosts)


def lets(basis: Basis, client: Client, wanted: ClientMetadata) -> bool:
    """Whether a registration may become `wanted`. One that nothing lets in any more may only give something up."""
    if basis.holds and (basis.hosts is None or are_on(list(wanted.redirect_uris), basis.hosts)):
        return True
    return changes.between(_as_it_is(client, wanted), wanted) <= {Change.COSMETIC}


def are_on(uris: list[str], hosts: tuple[str, ...]) -> bool:
    """Whether every redirect URI is on one of these hosts; False for an empty list of either."""
    shown = [redirect_uris.display(uri).host for uri in uris]
    return bool(shown) and all(host_patterns.matches(hosts, host) for host in shown)


def _as_it_is(client: Client, like: ClientMetadata) -> ClientMetadata:
    return replace(
        like,
        redirect_uris=tuple(client.redirect_uri_list),
        grant_types=tuple(client.grant_types),
        token_endpoint_auth_method=client.token_endpoint_auth_method,
        jwks=client.client_jwks,
        jwks_uri=client.client_jwks_uri,
        dpop_bound_access_tokens=client.dpop_bound_access_tokens,
        require_pushed_authorization_requests=client.require_pushed_authorization_requests,
        scope=tuple(client.scope or ()),
    )


def foreign_hosts(wanted: ClientMetadata, hosts: tuple[str, ...]) -> str:
    """The hosts of redirect URIs that are none of these, for the audit."""
    shown = {redirect_uris.display(uri).host for uri in wanted.redirect_uris if not are_on([uri], hosts)}
    return harmless(f"hosts: {', '.join(sorted(shown))}")


def not_let(basis: Basis, wanted: ClientMetadata) -> OAuthError:
    """The refusal of a change. The client holds its registration access token, so it is told the cause."""
    if not basis.holds:
        told = "What let this registration in is not in force any more: it may only give things up."
        return OAuthError(Reason.REGISTRATION_DENIED, detail="no longer let in", told=told)
    detail = foreign_hosts(wanted, basis.hosts or ())
    told = f"Redirect URIs must stay on hosts that may register here; these are not ({detail}). Ask an administrator."
    return OAuthError(Reason.REGISTRATION_DENIED, detail=detail, told=told)
