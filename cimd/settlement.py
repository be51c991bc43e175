"""What came of fetching a document, committed in one transaction: version, changes, client, audit; or the failure."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from authz import audit
from authz.database.transactions import unit_of_work
from authz.protocol.client_metadata import Check, ClientMetadata
from authz.protocol.document_lifetimes import Bounds, Schedule, retry_after, schedule, serves
from authz.protocol.errors import OAuthError, RefusalReason
from cimd import admission, leases, logos, metadata_document
from cimd.events import Event
from cimd.leases import Claim
from cimd.models import Document, DocumentVersion
from cimd.reasons import Reason

# > The authorization server SHOULD respect HTTP cache headers when caching client metadata, but MAY define its own
# > upper and/or lower bounds on an acceptable cache lifetime as well. (CIMD §4.4)
BOUNDS = Bounds(
    minimum=60.0,
    default=3600.0,
    maximum=24 * 3600.0,
    stale=24 * 3600.0,
    first_retry=5.0,
    longest_retry=300.0,
    heeds_staleness=True,
    serves_meanwhile=False,
)
MAX_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as it arrived, or as a 304 confirmed it. Times are seconds since the epoch."""

    body: bytes
    headers: Mapping[str, str]
    address: str
    requested: float
    received: float

    def schedule(self) -> Schedule:
        return schedule(self.headers, requested=self.requested, received=self.received, bounds=BOUNDS)


@dataclass(frozen=True, slots=True)
class Validated:
    """A document that was found good: what is kept of it, and the checks it passed."""

    metadata: ClientMetadata
    checks: tuple[Check, ...]


def settle(claim: Claim, fetched: Fetched, validated: Validated, logo: logos.Image | None) -> Document:
    with unit_of_work():
        document = leases.held(claim)
        version = _version(document, fetched, validated)
        admission.admit(document, version, validated.metadata)
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


def _version(document: Document, fetched: Fetched, validated: Validated) -> DocumentVersion:
    digest = metadata_document.digest(fetched.body)
    version, is_new = DocumentVersion.objects.get_or_create(
        document=document,
        digest=digest,
        defaults={
            "body": fetched.body,
            "headers": dict(fetched.headers),
            "address": fetched.address,
            "fetched": datetime.fromtimestamp(fetched.received, UTC),
            "metadata": asdict(validated.metadata),
            "checks": [asdict(check) for check in validated.checks],
        },
    )
    if is_new:
        kept = {document.current_id, document.candidate_id, version.pk}
        beyond = document.versions.exclude(pk__in=kept).order_by("-pk").values_list("pk", flat=True)[MAX_VERSIONS:]
        DocumentVersion.objects.filter(pk__in=list(beyond)).delete()
    return version


def fail(
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
        document.retry_at = now + retry_after(document.failures, BOUNDS)
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
        if not serves(document, now, BOUNDS):
            raise OAuthError(reason, detail=failure)
    return document
