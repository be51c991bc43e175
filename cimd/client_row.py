"""The row of a client that describes itself, written from its metadata."""

import hashlib
from datetime import UTC, datetime

from authz import authorizations
from authz.models import Authorization, Client
from authz.protocol.client_metadata import ClientMetadata


def write(client: Client, metadata: ClientMetadata) -> None:
    """Make the row say what the metadata says. The caller saves it."""
    client.name = metadata.client_name
    client.redirect_uris = "\n".join(metadata.redirect_uris)
    client.grant_types = list(metadata.grant_types)
    client.token_endpoint_auth_method = metadata.token_endpoint_auth_method
    client.client_jwks = metadata.jwks
    client.client_jwks_uri = metadata.jwks_uri
    client.scope = None if metadata.scope is None else list(metadata.scope)
    client.client_uri = metadata.client_uri
    client.require_pushed_authorization_requests = metadata.require_pushed_authorization_requests
    client.dpop_bound_access_tokens = metadata.dpop_bound_access_tokens


def end_what_it_had(client: Client, security_digest: str) -> None:
    """End consents and authorizations, since the client is no longer the one that they were given to."""
    # Chained, so that going back to earlier metadata does not bring back what ended with it.
    client.consent_digest = hashlib.sha256(f"{client.consent_digest}{security_digest}".encode()).hexdigest()
    if client.pk is not None:
        live = Authorization.objects.filter(client=client)
        authorizations.end(live, reason="client_changed", now=datetime.now(UTC))
