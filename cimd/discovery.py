"""Discovery: fetch, judge, keep (CIMD §4). The network is outside every transaction; what came of it is settled in one.

    claim → fetch → judge → (logo) → settle: version · changes · client · audit

> The authorization server MUST NOT cache error responses … also MUST NOT cache documents which are invalid or
> malformed. (CIMD §4.4) A failure is remembered only as a reason not to ask again at once.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from authz import audit, outbound
from authz.database import raw_sql
from authz.database.transactions import unit_of_work
from authz.models import Client
from authz.outbound import Cause, OutboundError, Role, errands
from authz.outbound.errands import Pool
from authz.protocol import http_caching
from authz.protocol.client_metadata import Check, ClientMetadata
from authz.protocol.errors import OAuthError, RefusalReason
from authz.protocol.moments import is_due
from cimd import admission, budget, freshness, leases, logos, metadata_document, policy, trust
from cimd.client_identifier import ClientIdentifier
from cimd.events import Event
from cimd.leases import Claim
from cimd.models import Document, DocumentVersion
from cimd.reasons import Reason

BOUNDS = freshness.Bounds()
MAX_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as it arrived, or as a 304 confirmed it. Times are seconds since the epoch."""

    body: bytes
    headers: Mapping[str, str]
    address: str
    requested: float
    received: float

    def schedule(self) -> freshness.Schedule:
        return freshness.schedule(self.headers, requested=self.requested, received=self.received, bounds=BOUNDS)


@dataclass(frozen=True, slots=True)
class Judged:
    """A document that was found good: what is kept of it, and the checks it passed."""

    metadata: ClientMetadata
    checks: tuple[Check, ...]


def refresh(identifier: ClientIdentifier) -> Document:
    """The document's bookkeeping, with a client that may be served. Raises `OAuthError`."""
    document = find(identifier.url)
    if (kept := _as_it_is(document)) is not None:
        return kept
    kind = budget.kind(identifier, is_known=document is not None and document.client is not None)
    try:
        return errands.result(
            kind, ("document", identifier.url), lambda: _refreshed(identifier, kind), party=identifier.origin
        )
    except errands.BusyError:
        if document is not None and _may_serve(document, time.time()):
            return document
        raise budget.busy("places") from None


def _refreshed(identifier: ClientIdentifier, kind: Pool) -> Document:
    """The same, by asking its host. Whoever waits for it waits elsewhere (authz/outbound/errands.py)."""
    document, now = find(identifier.url), time.time()
    if (kept := _as_it_is(document)) is not None:
        return kept
    try:
        is_known = document is not None and document.client is not None
        claim = leases.claim(identifier, now, kind, is_known=is_known)
        if claim is None:
            leases.wait(identifier.url)
            return _after_another(identifier)
    except OAuthError as error:
        if document is not None and _may_serve(document, now):
            return document
        raise error from None
    return _discover(claim, identifier, document)


def _as_it_is(document: Document | None) -> Document | None:
    """The document, if its host is not to be asked now. Raises `OAuthError`; None: it is."""
    now = time.time()
    if document is None:
        return None
    if document.client is not None and is_fresh(document.fresh_until, now):
        return document
    is_to_wait = not is_due(document.retry_at, now, freshness.LONGEST_RETRY)
    return _despite_failure(document, now) if is_to_wait else None


def is_fresh(until: float, now: float) -> bool:
    """Whether a document that is fresh `until` then may be served without asking its host."""
    return not is_due(until, now, BOUNDS.maximum)


def find(url: str) -> Document | None:
    """The bookkeeping of a document, if its URL was ever asked for."""
    # A flood of first sights costs no more than this (the join below takes thirty times as long to write).
    if raw_sql.one("SELECT 1 FROM cimd_document WHERE url = %s", (url,)) is None:
        return None
    return Document.objects.select_related("client__owner", "current", "candidate").filter(url=url).first()


def _after_another(identifier: ClientIdentifier) -> Document:
    document, now = find(identifier.url), time.time()
    if document is None:
        raise OAuthError(Reason.DOCUMENT_UNAVAILABLE)
    if document.client is not None and is_fresh(document.fresh_until, now):
        return document
    return _despite_failure(document, now)


def _despite_failure(document: Document, now: float) -> Document:
    if _may_serve(document, now):
        return document
    is_refused = bool(document.failure_checks)
    reason = Reason.DOCUMENT_REFUSED if is_refused else Reason.DOCUMENT_UNAVAILABLE
    raise OAuthError(reason, detail=document.failure)


def _may_serve(document: Document, now: float) -> bool:
    """Whether the last valid document may serve although it is stale: its host is down, and not for too long."""
    return document.client is not None and not is_due(document.serves_until, now, BOUNDS.maximum + BOUNDS.stale)


# --- Fetching ------------------------------------------------------------------------------------------------------


def _discover(claim: Claim, identifier: ClientIdentifier, document: Document | None) -> Document:
    try:
        fetched = fetch(identifier, document)
    except OutboundError as error:
        if error.cause in {Cause.BUSY, Cause.ABANDONED}:
            # It was not asked to the end, so nothing is known of it: whoever comes next may ask at once.
            leases.release(claim)
            raise budget.busy(error.cause.value) from None
        return _failed(claim, error.cause.value, status=error.status, is_down=error.is_down)
    judgement = metadata_document.validate(identifier.url, fetched.body, policy.terms(identifier.host))
    metadata = judgement.metadata
    if metadata is None:
        return _failed(claim, "document_refused", checks=judgement.refusals)
    logo = logos.fetch(document, metadata.logo_uri) if _is_believed(identifier, document) else None
    return _settle(claim, fetched, Judged(metadata, judgement.checks), logo)


def fetch(identifier: ClientIdentifier, document: Document | None) -> Fetched:
    """Get the document, with a condition if we hold a version of it. Raises `OutboundError`."""
    held = (document.candidate or document.current) if document is not None else None
    condition = http_caching.validators(document.headers) if document is not None and held is not None else {}
    errands.release_database()
    requested = time.time()
    response = outbound.fetch(Role.CLIENT_METADATA_DOCUMENT, identifier.url, headers=condition)
    received = _kept(response.headers)
    if response.status != 304 or document is None or held is None:
        return Fetched(response.body, received, response.address, requested, time.time())
    headers = http_caching.updated(document.headers, received)
    if headers is None:
        # It confirms something that we never had; without a condition we shall get the whole of it.
        Document.objects.filter(pk=document.pk).update(headers={})
        raise OutboundError(Cause.STATUS, status=304)
    return Fetched(bytes(held.body), headers, response.address, requested, time.time())


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that caching reads: a stranger's other headers are not ours to store, nor is their length theirs."""
    return {
        name: value[:512] for name, value in headers.items() if name in http_caching.HEADERS and value.isprintable()
    }


def _is_believed(identifier: ClientIdentifier, document: Document | None) -> bool:
    """Whether its pictures are worth fetching: it is approved, or will be when we have settled."""
    if document is not None and document.client is not None:
        return bool(document.client.status == Client.Status.APPROVED)
    return trust.trust_status(identifier.host, policy.cached().trust) is trust.TrustStatus.TRUSTED


# --- Settling ------------------------------------------------------------------------------------------------------


def _settle(claim: Claim, fetched: Fetched, judged: Judged, logo: logos.Image | None) -> Document:
    with unit_of_work():
        document = leases.held(claim)
        version = _version(document, fetched, judged)
        admission.admit(document, version, judged.metadata)
        schedule = fetched.schedule()
        document.headers = dict(fetched.headers)
        document.fetched = fetched.received
        document.fresh_until, document.serves_until = schedule.fresh_until, schedule.serves_until
        document.failures, document.failure, document.failure_status, document.failure_checks = 0, "", None, []
        document.retry_at = 0
        document.lease, document.lease_until = "", 0
        document.save()
        logos.keep(document, logo)
    return document


def _version(document: Document, fetched: Fetched, judged: Judged) -> DocumentVersion:
    digest = metadata_document.digest(fetched.body)
    version, is_new = DocumentVersion.objects.get_or_create(
        document=document,
        digest=digest,
        defaults={
            "body": fetched.body,
            "headers": dict(fetched.headers),
            "address": fetched.address,
            "fetched": datetime.fromtimestamp(fetched.received, UTC),
            "metadata": asdict(judged.metadata),
            "checks": [asdict(check) for check in judged.checks],
        },
    )
    if is_new:
        kept = {document.current_id, document.candidate_id, version.pk}
        beyond = document.versions.exclude(pk__in=kept).order_by("-pk").values_list("pk", flat=True)[MAX_VERSIONS:]
        DocumentVersion.objects.filter(pk__in=list(beyond)).delete()
    return version


def _failed(
    claim: Claim, failure: str, *, status: int | None = None, is_down: bool = False, checks: tuple[Check, ...] = ()
) -> Document:
    now = time.time()
    reason: RefusalReason = Reason.DOCUMENT_REFUSED if checks else Reason.DOCUMENT_UNAVAILABLE
    with unit_of_work():
        document = leases.held(claim)
        is_news = document.failures == 0 or (document.failure, document.failure_status) != (failure, status)
        document.failures += 1
        document.failed, document.failure, document.failure_status = now, failure, status
        document.failure_checks = [asdict(check) for check in checks]
        document.retry_at = now + freshness.retry_after(document.failures)
        if not is_down:
            # The host answers, and with something else: what it said before serves no longer.
            document.serves_until = min(document.serves_until, now)
            document.fresh_until = min(document.fresh_until, now)
        document.lease, document.lease_until = "", 0
        document.save()
        if is_news:
            detail = {
                "cause": failure,
                "status": status,
                "refused": [check.name for check in checks],
                "because": [f"{check.name}: {check.explanation}"[:500] for check in checks[:5]],
            }
            audit.record(Event.FETCH_FAILED, reason=reason, client_id=document.url, detail=detail)
        if not _may_serve(document, now):
            raise OAuthError(reason, detail=failure)
    return document
