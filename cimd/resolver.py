"""Clients that introduce themselves by URL, as one of the registry's client resolvers.

A known client whose document is fresh costs no network, and one statement for each change of configuration.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from authz import clients
from authz.database import configuration_cache
from authz.models import Client
from authz.protocol.errors import OAuthError
from cimd import admission, approval_queue, client_identifier, discovery, logos, policy, trust
from cimd.client_identifier import ClientIdentifier, IdentifierError
from cimd.models import Document
from cimd.reasons import Reason

# > Authorization servers that publish Authorization Server Metadata MUST include the following property (CIMD §5)
METADATA: Mapping[str, object] = {"client_id_metadata_document_supported": True}
CHANGED = "This agent has changed its metadata, and the change is not approved yet."


@dataclass(slots=True)
class _Known:
    """What this process knows of a document until the configuration changes."""

    fresh_until: float
    approval: str
    is_quarantined: bool
    follows_terms: bool = True


def recognises(client_id: str) -> bool:
    return client_id.startswith(client_identifier.PREFIX)


def introducing_hosts() -> tuple[str, ...]:
    """Patterns of the hosts that an administrator trusts."""
    return policy.cached().trust.trusted


def resolve(client_id: str) -> Client | None:
    """The client, whatever its status. Raises `OAuthError` where its document cannot be had or used."""
    registered = clients.registered(client_id)
    # A registered client of the same id is that client, whatever a document says (attack 8).
    if registered is not None and registered.registration_source != Client.RegistrationSource.CIMD:
        return registered
    try:
        identifier = client_identifier.parse(client_id)
    except IdentifierError as error:
        raise OAuthError(Reason.IDENTIFIER, detail=error.problem.value) from None
    trust_status = trust.trust_status(identifier.host, policy.cached().trust)
    if trust_status is trust.TrustStatus.BLOCKED:
        raise OAuthError(Reason.HOST_BLOCKED)
    if registered is None:
        return discovery.refresh(identifier).client
    # A client that an administrator has stopped is stopped; its host is not asked.
    if registered.status in {Client.Status.SUSPENDED, Client.Status.RETIRED}:
        return registered
    known = configuration_cache.cached(("cimd", client_id), lambda: _known(client_id))
    is_current = known.follows_terms and _agrees(registered, known, trust_status)
    if is_current and discovery.is_fresh(known.fresh_until, time.time()):
        return registered
    return _brought_up_to_date(identifier, known)


def presentation(client: Client) -> dict[str, str]:
    """What people may be shown beside the client's own words."""
    if client.status == Client.Status.PENDING:
        return {"waits_because": CHANGED} if _known(client.client_id).is_quarantined else {}
    logo_url = logos.address(client)
    return {"logo_url": logo_url} if logo_url else {}


def asked_for(client: Client) -> None:
    """A person who is signed in asks for the client's approval."""
    approval_queue.asked_for(client)


def _known(client_id: str) -> _Known:
    row = Document.objects.filter(url=client_id).select_related("client", "current").first()
    if row is None:
        return _Known(0, "", False)
    return _Known(row.fresh_until, row.approval, row.candidate_id is not None, not admission.grants_differ(row))


def _agrees(client: Client, known: _Known, trust_status: trust.TrustStatus) -> bool:
    """Whether the client's status is what trust in its host says today."""
    is_trusted = trust_status is trust.TrustStatus.TRUSTED
    if client.status == Client.Status.PENDING:
        return known.is_quarantined or not is_trusted
    return is_trusted or known.approval != Document.Approval.HOST


def _brought_up_to_date(identifier: ClientIdentifier, known: _Known) -> Client | None:
    document = discovery.refresh(identifier)
    admission.follow_trust(document)
    admission.follow_terms(document)
    known.fresh_until, known.follows_terms = document.fresh_until, True
    # The configuration cache still holds the client as it was when this request began.
    return Client.all_objects.select_related("owner").filter(client_id=identifier.url).first()
