"""What an ID-JAG and the request that presents it agree on: the resource and the scopes of the token."""

from collections.abc import Collection, Sequence

from authz import resources
from authz.models import ProtectedResource
from authz.protocol import scopes
from authz.protocol.errors import OAuthError, harmless
from authz.protocol.errors import Reason as CoreReason
from authz.registry import TokenRequest
from xaa.id_jag import IdJag
from xaa.reasons import Reason


def resource_of(granted: IdJag, asked: str | None) -> ProtectedResource:
    """The one resource of ours that the ID-JAG and the request agree on, as far as they name any; or the default one.
    Raises `OAuthError`.

    > The granted resources MAY be a subset of the resources in the ID-JAG (ID-JAG §4.4.1): one, since a token is for
    > one.
    """
    if not granted.resources:
        return resources.requested(asked)
    ours = _ours(granted.resources)
    if not ours:
        raise OAuthError(Reason.ASSERTION_RESOURCE_UNKNOWN, detail=harmless(" ".join(granted.resources)))
    if asked is None and len(ours) > 1:
        raise OAuthError(CoreReason.RESOURCE_SEVERAL, detail=harmless(" ".join(ours)))
    wanted = resources.requested(asked or next(iter(ours)))
    if resources.canonical(wanted.identifier) not in ours:
        raise OAuthError(CoreReason.RESOURCE_NOT_GRANTED, detail=harmless(asked or ""))
    return wanted


def _ours(named: Sequence[str]) -> dict[str, ProtectedResource]:
    """Those of the named resources that this server protects; what names nothing here is another server's."""
    found = {}
    for uri in named:
        try:
            found[resources.canonical(uri)] = resources.requested(uri)
        except OAuthError:
            continue
    return found


def scopes_of(granted: IdJag, resource: ProtectedResource, request: TokenRequest) -> tuple[str, ...]:
    """What was asked for and the ID-JAG grants, and of that what exists here and the client may have. Raises
    `OAuthError`.

    > issue access tokens with scopes that are the intersection of the requested scopes and the scopes present in the
    > ID-JAG (MCP enterprise-managed authorization §7.2.1)

    SDKs send one list on both legs, so what is too much is left out; the response says what was granted.
    """
    asked, _ = scopes.split(scopes.parse(request.params.get("scope")))
    known: Collection[str] = resources.scopes_of(resource)
    if granted.scopes is not None:
        # Asking for nothing asks for all of it; nothing in common is a refusal.
        if asked and any(name in known for name in asked) and not set(asked) & set(granted.scopes):
            raise OAuthError(CoreReason.SCOPE_NOT_GRANTED, detail=harmless(" ".join(asked)))
        known = scopes.narrow(granted.scopes, known)
    return scopes.for_client(asked, request.client.scope, known)
