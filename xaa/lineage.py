"""What rests on what: when an issuer, a link or a workload goes, everything under it ends (and not by itself again).

An authorization made from an ID-JAG names in its lineage whose identity it rests on. Introspection answers from the
authorization, so ending that row is seen at once by every resource server that asks. People, clients, resources and
rules are judged anew by introspection itself.
"""

from datetime import UTC, datetime
from typing import Any

from django.db.models.signals import post_delete, post_save

from authz import audit, authorizations
from authz.models import Authorization
from authz.models.client import JWT_BEARER
from authz.transactions import in_settled, settled
from xaa.events import Event
from xaa.id_jag import IdJag
from xaa.models import SubjectLink, TrustedIssuer, WorkloadBinding

ISSUER_WITHDRAWN = "issuer_withdrawn"
SUBJECT_UNLINKED = "subject_unlinked"
WORKLOAD_WITHDRAWN = "workload_withdrawn"


def connect() -> None:
    post_save.connect(_issuer_changed, sender=TrustedIssuer, dispatch_uid="xaa.lineage.issuer_changed")
    post_delete.connect(_issuer_removed, sender=TrustedIssuer, dispatch_uid="xaa.lineage.issuer_removed")
    post_delete.connect(_unlinked, sender=SubjectLink, dispatch_uid="xaa.lineage.unlinked")
    post_delete.connect(_workload_removed, sender=WorkloadBinding, dispatch_uid="xaa.lineage.workload_removed")


def of_id_jag(granted: IdJag) -> dict[str, str]:
    """The lineage of an authorization made from an ID-JAG."""
    return {"issuer": granted.issuer, "tenant": granted.tenant, "sub": granted.subject, "assertion_jti": granted.jti}


def _issuer_changed(instance: TrustedIssuer, created: bool, **_: Any) -> None:
    if created:
        return
    if not instance.enabled or TrustedIssuer.Use.ID_JAG.value not in instance.accepts:
        _end(ISSUER_WITHDRAWN, lineage__issuer=instance.issuer)
    if not instance.enabled or TrustedIssuer.Use.WORKLOAD.value not in instance.accepts:
        for binding in instance.workloads.all():
            _workload_removed(binding)


def _issuer_removed(instance: TrustedIssuer, **_: Any) -> None:
    _end(ISSUER_WITHDRAWN, lineage__issuer=instance.issuer)


def _unlinked(instance: SubjectLink, origin: object, **_: Any) -> None:
    # A link that goes with its issuer needs nothing of its own: the issuer's removal ends more than this.
    if isinstance(origin, TrustedIssuer) or getattr(origin, "model", None) is TrustedIssuer:
        return
    issuer = instance.issuer
    _end(
        SUBJECT_UNLINKED,
        lineage__issuer=issuer.issuer,
        lineage__tenant=instance.tenant,
        lineage__sub=instance.subject,
    )
    _record(instance, issuer)


def _workload_removed(instance: WorkloadBinding, **_: Any) -> None:
    # What a client has from another workload of its own goes too; that workload gets a new token at its next request.
    _end(WORKLOAD_WITHDRAWN, client_id=instance.client_id, user=None, grant_type=JWT_BEARER)


def _record(link: SubjectLink, issuer: TrustedIssuer) -> None:
    audit.record(
        Event.SUBJECT_UNLINKED,
        detail={"issuer": issuer.issuer, "sub": link.subject, **({"tenant": link.tenant} if link.tenant else {})},
    )


def _end(reason: str, **under: Any) -> int:
    """In the caller's transaction if there is one, so that it holds from the same commit on."""
    found = Authorization.objects.filter(**under)
    now = datetime.now(UTC)
    if in_settled():
        return authorizations.end(found, reason=reason, now=now)
    with settled():
        return authorizations.end(found, reason=reason, now=now)
