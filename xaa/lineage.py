"""What rests on what: when an issuer, a link or a workload goes, everything under it ends (and not by itself again).

An authorization made from an ID-JAG names in its lineage whose identity it rests on. Introspection answers from the
authorization, so ending that row is seen at once by every resource server that asks. People, clients, resources and
rules are judged anew by introspection itself.
"""

from datetime import UTC, datetime
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.signals import post_delete, post_save

from authz import audit, authorizations
from authz.database.transactions import in_unit_of_work, unit_of_work
from authz.models import Authorization, AuthorizationCode, BrowserSession
from authz.models.client import JWT_BEARER
from authz.protocol import host_patterns
from xaa.events import Event
from xaa.id_jag import IdJag
from xaa.liveness import ACTOR_ISSUER
from xaa.models import Session, SignInClient, SubjectLink, TrustedIssuer, WorkloadBinding
from xaa.subjects import group_source
from xaa.subjects.sessions import end as end_sign_ins
from xaa.trusted_issuers.public_clients import PUBLIC_HOST

ISSUER_WITHDRAWN = "issuer_withdrawn"
SUBJECT_UNLINKED = "subject_unlinked"
WORKLOAD_WITHDRAWN = "workload_withdrawn"
HOST_WITHDRAWN = "host_withdrawn"


def connect() -> None:
    post_save.connect(_issuer_changed, sender=TrustedIssuer, dispatch_uid="xaa.lineage.issuer_changed")
    post_delete.connect(_issuer_removed, sender=TrustedIssuer, dispatch_uid="xaa.lineage.issuer_removed")
    post_delete.connect(_sign_in_removed, sender=SignInClient, dispatch_uid="xaa.lineage.sign_in_removed")
    post_delete.connect(_unlinked, sender=SubjectLink, dispatch_uid="xaa.lineage.unlinked")
    post_delete.connect(group_source.unlinked, sender=SubjectLink, dispatch_uid="xaa.subjects.group_source.unlinked")
    post_delete.connect(_workload_removed, sender=WorkloadBinding, dispatch_uid="xaa.lineage.workload_removed")


def of_id_jag(granted: IdJag) -> dict[str, str]:
    """The lineage of an authorization made from an ID-JAG."""
    return {"issuer": granted.issuer, "tenant": granted.tenant, "sub": granted.subject, "assertion_jti": granted.jti}


def _issuer_changed(instance: TrustedIssuer, created: bool, **_: Any) -> None:
    if created:
        return
    if not instance.enabled or TrustedIssuer.Use.ID_JAG.value not in instance.accepts:
        _end(ISSUER_WITHDRAWN, lineage__issuer=instance.issuer)
    else:
        if instance.tenants:
            _end_outside(instance)
        _end_without_secret(instance)
    _end_sign_ins(instance)
    if not instance.enabled or TrustedIssuer.Use.WORKLOAD.value not in instance.accepts:
        for binding in instance.workloads.all():
            _workload_removed(binding)


def _issuer_removed(instance: TrustedIssuer, **_: Any) -> None:
    _end(ISSUER_WITHDRAWN, lineage__issuer=instance.issuer)
    _sign_out(ISSUER_WITHDRAWN, BrowserSession.objects.filter(issuer=instance.issuer), signed_in_by=instance.issuer)


def _sign_in_removed(instance: SignInClient, **_: Any) -> None:
    issuer = instance.issuer.issuer
    _sign_out(ISSUER_WITHDRAWN, BrowserSession.objects.filter(issuer=issuer), signed_in_by=issuer)


def _end_sign_ins(trust: TrustedIssuer) -> None:
    """The people that the issuer signed in are signed out, and what rests on it ends: all of it, or that of tenants
    that are no longer trusted."""
    here = BrowserSession.objects.filter(issuer=trust.issuer)
    if not trust.enabled or TrustedIssuer.Use.ID_TOKEN.value not in trust.accepts:
        _sign_out(ISSUER_WITHDRAWN, here, signed_in_by=trust.issuer)
    elif trust.tenants:
        gone = SubjectLink.objects.filter(issuer=trust).exclude(tenant__in=trust.tenants)
        for tenant, user in gone.values_list("tenant", "user"):
            under = {"signed_in_by": trust.issuer, **({"signed_in_tenant": tenant} if tenant else {})}
            _sign_out(ISSUER_WITHDRAWN, here.filter(user=user), user=user, **under)


def _end_outside(trust: TrustedIssuer) -> None:
    gone = SubjectLink.objects.filter(issuer=trust).exclude(tenant__in=trust.tenants)
    for tenant in set(gone.values_list("tenant", flat=True)):
        _end(ISSUER_WITHDRAWN, lineage__issuer=trust.issuer, lineage__tenant=tenant)


def _end_without_secret(trust: TrustedIssuer) -> None:
    """What clients without a secret have, of hosts that the issuer doesn't name any more."""
    live = Authorization.objects.filter(lineage__issuer=trust.issuer, lineage__has_key=PUBLIC_HOST, revoked=None)
    for (host,) in live.order_by().values_list(f"lineage__{PUBLIC_HOST}").distinct():
        if not host_patterns.matches(trust.public_clients, host):
            _end(HOST_WITHDRAWN, lineage__issuer=trust.issuer, **{f"lineage__{PUBLIC_HOST}": host})


def _sign_out(reason: str, sessions: QuerySet[BrowserSession], *, user: int | None = None, **lineage: str) -> None:
    """Sessions, codes and authorizations, in this order (authz/authorizations/cut_off.py says why)."""
    under = {f"lineage__{name}": value for name, value in lineage.items()} | ({"user": user} if user else {})

    def end() -> None:
        digests = list(sessions.values_list("digest", flat=True))
        end_sign_ins(Session.objects.filter(digest__in=digests))
        sessions.delete()
        AuthorizationCode.objects.filter(used=None, **under).update(expires=F("created"))
        authorizations.end(Authorization.objects.filter(**under), reason=reason, now=datetime.now(UTC))

    if in_unit_of_work():
        end()
        return
    with unit_of_work():
        end()


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
    sessions = BrowserSession.objects.filter(issuer=issuer.issuer, user=instance.user_id)
    _sign_out(SUBJECT_UNLINKED, sessions, user=instance.user_id, signed_in_by=issuer.issuer)
    _record(instance, issuer)


def _workload_removed(instance: WorkloadBinding, **_: Any) -> None:
    # What a client has from another workload of its own goes too; that workload gets a new token at its next request.
    _end(WORKLOAD_WITHDRAWN, client_id=instance.client_id, user=None, grant_type=JWT_BEARER)
    _end(WORKLOAD_WITHDRAWN, client_id=instance.client_id, lineage__has_key=ACTOR_ISSUER)


def _record(link: SubjectLink, issuer: TrustedIssuer) -> None:
    audit.record(
        Event.SUBJECT_UNLINKED,
        detail={"issuer": issuer.issuer, "sub": link.subject, **({"tenant": link.tenant} if link.tenant else {})},
    )


def _end(reason: str, **under: Any) -> int:
    """In the caller's transaction if there is one, so that it holds from the same commit on."""
    found = Authorization.objects.filter(**under)
    now = datetime.now(UTC)
    if in_unit_of_work():
        return authorizations.end(found, reason=reason, now=now)
    with unit_of_work():
        return authorizations.end(found, reason=reason, now=now)
