"""Finding clients: the registry first, then the resolvers that settings name."""

from authz import registry
from authz.database import configuration_cache, raw_sql
from authz.models import Client
from authz.protocol.errors import OAuthError, Reason

# A client_id is a short opaque string or a URL; nothing longer is looked up.
MAXIMUM_LENGTH = 1024


def find(client_id: str) -> Client:
    """The client, whatever its status. Raises `OAuthError` for one that is not known, or that a resolver refuses.

    The row is shared by all requests until configuration changes: treat it as read-only.
    """
    if not client_id or len(client_id) > MAXIMUM_LENGTH or "\0" in client_id:
        raise OAuthError(Reason.CLIENT_UNKNOWN)
    # A resolver goes first for the ids that it recognises, since it keeps their rows fresh; it never takes over a
    # registered client of the same id (attack 8), which `registered` would find.
    for resolver in registry.client_resolvers():
        if resolver.recognises(client_id):
            client = resolver.resolve(client_id)
            if client is not None:
                return client
    client = registered(client_id)
    if client is None:
        raise OAuthError(Reason.CLIENT_UNKNOWN)
    return client


def registered(client_id: str) -> Client | None:
    """The client's row, or None. What is not there is not remembered, or strangers could fill the cache."""
    try:
        return configuration_cache.cached(("client", client_id), lambda: _find(client_id))
    except Client.DoesNotExist:
        return None


def _find(client_id: str) -> Client:
    # Strangers ask for what is not there, as often as they like: that costs no more than this.
    if "\0" in client_id or raw_sql.one("SELECT 1 FROM authz_client WHERE client_id = %s", (client_id,)) is None:
        raise Client.DoesNotExist
    return Client.objects.select_related("owner").get(client_id=client_id)


def by_pk(pk: int) -> Client | None:
    """The client of a stored grant, or None where it has gone."""
    try:
        return registered(configuration_cache.cached(("client_id", pk), lambda: Client.objects.get(pk=pk).client_id))
    except Client.DoesNotExist:
        return None


def require_approved(client: Client, now: float) -> None:
    """Raises `OAuthError` for a client that is not approved: it gets nothing, at any endpoint that issues."""
    if not client.is_approved(now):
        has_ended = client.status == Client.Status.APPROVED
        detail = "approval ended" if has_ended else client.status
        raise OAuthError(Reason.CLIENT_NOT_APPROVED, detail=detail, client_id=client.client_id)
