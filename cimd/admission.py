"""What a valid document leads to: a client, a changed client, or a client that waits (CIMD §6.3, §6.8; attacks 7, 8).

All of it happens inside the transaction that settles the document. Nothing here ever gives a client more than it had
without the consequence that policy names for it.
"""

import time
from dataclasses import asdict
from datetime import UTC, datetime

from authz import audit
from authz.approvals import agent_lifecycle
from authz.approvals.agent_lifecycle import Terms
from authz.clients import identifiers
from authz.database.transactions import unit_of_work
from authz.models import Client, User
from authz.protocol.client_metadata import ClientMetadata
from authz.protocol.errors import OAuthError
from cimd import approval_queue, changes, client_row, metadata_document, policy, trust
from cimd.changes import Consequence
from cimd.events import Event
from cimd.models import Document, DocumentVersion
from cimd.reasons import Reason

Status = Client.Status


def admit(document: Document, version: DocumentVersion, metadata: ClientMetadata) -> None:
    """Make the document's client follow from `version`. The caller saves `document`."""
    if document.client is None:
        _first_sight(document, version, metadata)
    elif document.candidate is not None:
        # Quarantined: the newest version waits for an approval, and nothing of it is in force until then.
        _propose(document, version, metadata)
    elif document.client.status == Status.PENDING:
        # Nothing is approved yet.
        _apply(document, version, metadata, Consequence.ACCEPT)
    else:
        _changed(document, version, metadata)


def _first_sight(document: Document, version: DocumentVersion, metadata: ClientMetadata) -> None:
    if Client.all_objects.filter(client_id=document.url).exists():
        # A registered client is never taken over by a document of the same name (attack 8).
        raise OAuthError(Reason.DOCUMENT_REFUSED, detail="registered")
    if problem := identifiers.client_id_problem(document.url):
        raise OAuthError(Reason.IDENTIFIER, detail=problem)
    approval_queue.make_room(document.host, time.time())
    trust_status = trust.trust_status(document.host, policy.cached().trust)
    is_trusted = trust_status is trust.TrustStatus.TRUSTED
    document.client = Client(
        client_id=document.url,
        registration_source=Client.RegistrationSource.CIMD,
        status=Status.APPROVED if is_trusted else Status.PENDING,
    )
    document.approval = Document.Approval.HOST if is_trusted else Document.Approval.NONE
    _apply(document, version, metadata, Consequence.CONSENT)
    detail = {"digest": version.digest, "address": version.address, "standing": trust_status.value}
    audit.record(Event.FIRST_SEEN, client_id=document.url, detail=detail)


def _changed(document: Document, version: DocumentVersion, metadata: ClientMetadata) -> None:
    found, consequence = _difference(document, metadata)
    is_same = document.current is not None and version.pk == document.current.pk
    if is_same and not found:
        return
    if is_same:
        # The document says what it said when it was let in. It was an administrator who gave its host further grants.
        consequence = changes.consequence(found - {changes.Change.GRANTS}, policy.cached().changes)
    detail = {
        "from": document.current.digest if document.current else "",
        "to": version.digest,
        "changes": sorted(found),
        "consequence": consequence.name.lower(),
    }
    audit.record(Event.DOCUMENT_CHANGED, client_id=document.url, detail=detail)
    version.changes = sorted(found)
    if consequence is Consequence.QUARANTINE:
        _propose(document, version, metadata)
        _set_status(document, Status.PENDING)
        audit.record(Event.QUARANTINED, client_id=document.url, detail={"digest": version.digest})
    else:
        _apply(document, version, metadata, consequence)


def _difference(document: Document, metadata: ClientMetadata) -> tuple[frozenset[changes.Change], Consequence]:
    before = document.current.as_metadata() if document.current is not None else None
    found = changes.between(before, metadata) if before is not None else frozenset(changes.Change)
    return found, changes.consequence(found, policy.cached().changes)


def _propose(document: Document, version: DocumentVersion, metadata: ClientMetadata) -> None:
    version.metadata = asdict(metadata)
    version.save()
    document.candidate = version


def _apply(document: Document, version: DocumentVersion, metadata: ClientMetadata, consequence: Consequence) -> None:
    """Put a version in force: the client's row is what the document says."""
    client = document.client
    assert client is not None  # noqa: S101  every caller has one
    client_row.write(client, metadata)
    client.metadata_digest = version.digest
    if consequence is not Consequence.ACCEPT:
        client_row.end_what_it_had(client, changes.security_digest(metadata))
    client.save()
    version.metadata = asdict(metadata)
    version.save()
    document.client, document.current, document.candidate = client, version, None


def _set_status(document: Document, status: str) -> None:
    assert document.client is not None  # noqa: S101
    document.client.status = status
    document.client.save(update_fields=["status"])


# --- Decisions about a client -------------------------------------------------------------------------------------


def approve(document: Document, digest: str, *, by: User, terms: Terms) -> bool:
    """Approve the waiting version, if it is still the one that was reviewed. False if it is not.

    Raises as `lifecycle.approval` does: an agent of one's own, or one without an owner.
    """
    with unit_of_work():
        document = (
            Document.objects.select_for_update(of=("self",))
            .select_related("client__owner", "current", "candidate")
            .get(pk=document.pk)
        )
        waits = document.candidate or document.current
        if document.client is None or waits is None or waits.digest != digest:
            return False
        # Approving a document does not lift what an administrator has stopped; and nothing is approved twice.
        is_open = document.client.status == Status.PENDING or (
            document.client.status == Status.APPROVED and document.candidate is not None
        )
        if not is_open:
            return False
        if document.candidate is not None:
            _, consequence = _difference(document, document.candidate.as_metadata())
            _apply(document, document.candidate, document.candidate.as_metadata(), consequence)
        values = agent_lifecycle.approval(document.client, by=by, now=datetime.now(UTC), terms=terms)
        for name, value in values.items():
            setattr(document.client, name, value)
        document.client.save(update_fields=list(values))
        document.approval = Document.Approval.PERSON
        document.fresh_until = 0  # with the next sign-in comes the logo
        document.save()
        detail = {
            "digest": digest,
            "by": by.username,
            "owner": values["owner"].username,
            "environment": values["environment"],
            "until": values["approved_until"].isoformat(),
            **agent_lifecycle.because(terms),
        }
        audit.record(Event.APPROVED, client_id=document.url, subject=str(by.subject), detail=detail)
    return True


def follow_trust(document: Document) -> None:
    """Trust in a host that came or went since the client was last seen takes effect on the next request."""
    trust_status = trust.trust_status(document.host, policy.cached().trust)
    is_trusted = trust_status is trust.TrustStatus.TRUSTED
    with unit_of_work():
        document = (
            Document.objects.select_for_update(of=("self",))
            .select_related("client__owner", "current")
            .get(pk=document.pk)
        )
        client = document.client
        if client is None:
            return
        if is_trusted and client.status == Status.PENDING and document.candidate_id is None:
            document.approval = Document.Approval.HOST
            _set_status(document, Status.APPROVED)
            if document.current is not None and document.current.as_metadata().logo_uri:
                document.fresh_until = 0  # with the next sign-in comes the logo
            audit.record(Event.APPROVED, client_id=document.url, detail={"standing": trust_status.value})
        elif not is_trusted and client.status == Status.APPROVED and document.approval == Document.Approval.HOST:
            document.approval = Document.Approval.NONE
            _set_status(document, Status.PENDING)
            audit.record(Event.TRUST_WITHDRAWN, client_id=document.url, detail={"standing": trust_status.value})
        document.save(update_fields=["approval", "fresh_until"])


def grants_differ(document: Document) -> bool:
    """Whether the configuration gives the client of the stored document other grants than its row has."""
    return _metadata_in_new_terms(document) is not None


def follow_terms(document: Document) -> None:
    """Grants that the configuration gives or takes take effect on the next request, from the document as it is kept."""
    if not grants_differ(document):
        return
    with unit_of_work():
        document = (
            Document.objects.select_for_update(of=("self",))
            .select_related("client__owner", "current", "candidate")
            .get(pk=document.pk)
        )
        metadata = _metadata_in_new_terms(document)
        if metadata is not None and document.current is not None:
            admit(document, document.current, metadata)
            document.save(update_fields=["client", "current", "candidate"])


def _metadata_in_new_terms(document: Document) -> ClientMetadata | None:
    """What would be kept of the document in force by today's terms, where that gives other grants; or else None."""
    if document.client is None or document.current is None or document.candidate_id is not None:
        return None
    terms = policy.terms(document.host)
    judged = metadata_document.validate(document.url, bytes(document.current.body), terms).metadata
    if judged is None or [*judged.grant_types] == document.client.grant_types:
        return None
    return judged
