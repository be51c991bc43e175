"""Discovery: fetch, validate, store (CIMD §4). No transaction is open during a fetch; the result is committed in
one (cimd/settlement.py).

    claim the lease → fetch → validate → fetch the logo, if it may have one → settle

> The authorization server MUST NOT cache error responses … also MUST NOT cache documents which are invalid or
> malformed. (CIMD §4.4) A failure is stored only as a reason not to fetch again at once.
"""

import time
from collections.abc import Mapping
from functools import cache

from authz import outbound
from authz.database import raw_sql
from authz.models import Client
from authz.outbound import Cause, OutboundError, Role, errands, remote_documents
from authz.outbound.errands import Pool
from authz.protocol import http_caching
from authz.protocol.document_lifetimes import serves
from authz.protocol.errors import OAuthError
from authz.protocol.moments import is_due
from cimd import budget, leases, logos, metadata_document, policy, settlement, trust
from cimd.client_identifier import ClientIdentifier
from cimd.leases import Claim
from cimd.models import Document
from cimd.reasons import Reason
from cimd.settlement import BOUNDS, Fetched, Validated


def refresh(identifier: ClientIdentifier) -> Document:
    """The document's row, with a client that may be served. Raises `OAuthError`."""

    @cache
    def pool_of(is_known: bool) -> Pool:
        return budget.kind(identifier, is_known=is_known)

    def pool(document: Document | None) -> Pool:
        return pool_of(_is_known(document))

    try:
        document = remote_documents.current(
            ("document", identifier.url),
            find=lambda: find(identifier.url),
            renew=lambda document: _renew(identifier, document, pool(document)),
            bounds=BOUNDS,
            pool=pool,
            party=identifier.origin,
            now=time.time,
        )
    except errands.BusyError:
        raise budget.busy("places") from None
    return _served(document)


def is_fresh(until: float, now: float) -> bool:
    """Whether a document may be served without asking its host. Its freshness ends at `until`, in seconds."""
    return not is_due(until, now, BOUNDS.maximum)


def find(url: str) -> Document | None:
    """The row of a document, if its URL was ever requested."""
    # A flood of unknown clients costs only this statement (Django takes thirty times as long to build the join below).
    if raw_sql.one("SELECT 1 FROM cimd_document WHERE url = %s", (url,)) is None:
        return None
    return Document.objects.select_related("client__owner", "current", "candidate").filter(url=url).first()


def _is_known(document: Document | None) -> bool:
    return document is not None and document.client is not None


def _renew(identifier: ClientIdentifier, document: Document | None, kind: Pool) -> Document | None:
    """The document after a fetch by this process, or by another one that has claimed it. Raises `OAuthError`."""
    now = time.time()
    try:
        claim = leases.claim(identifier, now, kind, is_known=_is_known(document))
        if claim is None:
            leases.wait(identifier.url)
            return find(identifier.url)
    except OAuthError as error:
        if document is not None and serves(document, now, BOUNDS):
            return document
        raise error from None
    return _discover(claim, identifier, document)


def _served(document: Document | None) -> Document:
    if document is not None and serves(document, time.time(), BOUNDS):
        return document
    if document is None:
        raise OAuthError(Reason.DOCUMENT_UNAVAILABLE)
    reason = Reason.DOCUMENT_REFUSED if document.failure_checks else Reason.DOCUMENT_UNAVAILABLE
    raise OAuthError(reason, detail=document.failure)


# --- Fetching ------------------------------------------------------------------------------------------------------


def _discover(claim: Claim, identifier: ClientIdentifier, document: Document | None) -> Document:
    try:
        fetched = fetch(identifier, document)
    except OutboundError as error:
        if error.cause in {Cause.BUSY, Cause.ABANDONED}:
            # The fetch did not finish, so it says nothing about the host: the next request may fetch at once.
            leases.release(claim)
            raise budget.busy(error.cause.value) from None
        return settlement.fail(claim, error.cause.value, status=error.status, is_down=error.is_down)
    validation = metadata_document.validate(identifier.url, fetched.body, policy.terms(identifier.host))
    metadata = validation.metadata
    if metadata is None:
        return settlement.fail(claim, "document_refused", checks=validation.refusals)
    logo = logos.fetch(document, metadata.logo_uri) if _may_have_logo(identifier, document) else None
    return settlement.settle(claim, fetched, Validated(metadata, validation.checks), logo)


def fetch(identifier: ClientIdentifier, document: Document | None) -> Fetched:
    """Fetch the document, conditionally if a version of it is stored. Raises `OutboundError`."""
    stored = (document.candidate or document.current) if document is not None else None
    condition = http_caching.validators(document.headers) if document is not None and stored is not None else {}
    errands.release_database()
    requested = time.time()
    response = outbound.fetch(Role.CLIENT_METADATA_DOCUMENT, identifier.url, headers=condition)
    received = _kept(response.headers)
    if response.status != 304 or document is None or stored is None:
        return Fetched(response.body, received, response.address, requested, time.time())
    headers = http_caching.updated(document.headers, received)
    if headers is None:
        # A 304 for a version that is not stored: without a condition the next fetch gets the whole document.
        Document.objects.filter(pk=document.pk).update(headers={})
        raise OutboundError(Cause.STATUS, status=304)
    return Fetched(bytes(stored.body), headers, response.address, requested, time.time())


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that caching reads, truncated. Other headers are not stored."""
    return {
        name: value[:512] for name, value in headers.items() if name in http_caching.HEADERS and value.isprintable()
    }


def _may_have_logo(identifier: ClientIdentifier, document: Document | None) -> bool:
    """Whether to fetch the logo: the client is approved, or will be after the settlement."""
    if document is not None and document.client is not None:
        return bool(document.client.status == Client.Status.APPROVED)
    return trust.trust_status(identifier.host, policy.cached().trust) is trust.TrustStatus.TRUSTED
