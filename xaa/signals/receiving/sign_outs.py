"""Sessions that an issuer ended: the sign-ins by it, and what rests on them and on its ID-JAGs."""

from typing import Any

from django.db.models import F, Q, QuerySet

from authz import authorizations
from authz.models import Authorization, AuthorizationCode, BrowserSession
from xaa.models import Session, SubjectLink
from xaa.signals.receiving.about import About, Effect
from xaa.signals.receiving.events import SignalEvent
from xaa.subjects import sessions

SESSION_REVOKED = "session_revoked"


def end(about: About) -> Effect:
    """All of it, and no assertion of before counts any more. Inside `unit_of_work()`."""
    link, before = about.person.link, None
    if link is not None:
        # First: a redemption that holds the link's row has committed once this statement has it, so what it made is
        # seen below; one that comes later is refused.
        newer = SubjectLink.objects.filter(pk=link.pk, not_before__lt=about.event.happened)
        if newer.update(not_before=about.event.happened):
            before = {"not_before": link.not_before}
    # Sessions, codes, authorizations, in this order (authz/authorizations/cut_off.py says why).
    browsers = _browsers(about)
    old = _began_before(about, browsers)
    digests = list(browsers.values_list("digest", flat=True))
    sessions.end(Session.objects.filter(digest__in=digests))
    BrowserSession.objects.filter(digest__in=digests).delete()
    resting(about, AuthorizationCode.objects.filter(used=None)).filter(old).update(expires=F("created"))
    found = resting(about, Authorization.objects.all()).filter(old)
    ended = authorizations.end(found, reason=SESSION_REVOKED, now=about.now)
    about.record(SignalEvent.SESSIONS_ENDED, sign_ins=len(digests), authorizations=ended)
    return Effect(ended=len(digests) + ended, before=before)


def _browsers(about: About) -> QuerySet[BrowserSession]:
    """The person's browsers that the issuer signed in, but for those that were signed in after the event."""
    user = about.person.user
    later = Session.objects.filter(user=user, started__gt=about.until).values_list("digest", flat=True)
    return BrowserSession.objects.filter(user=user, issuer=about.source.issuer.issuer).exclude(digest__in=list(later))


def _began_before(about: About, browsers: QuerySet[BrowserSession]) -> Q:
    return Q(created__lte=about.until) | Q(session_digest__in=list(browsers.values_list("digest", flat=True)))


def resting(about: About, rows: Any) -> Any:
    """Of authorizations or codes those of the person that rest on the issuer (and tenant)."""
    issuer, tenant = about.source.issuer.issuer, about.person.link.tenant if about.person.link else about.source.tenant
    asserted, signed_in = Q(lineage__issuer=issuer), Q(lineage__signed_in_by=issuer)
    if tenant:
        asserted, signed_in = asserted & Q(lineage__tenant=tenant), signed_in & Q(lineage__signed_in_tenant=tenant)
    return rows.filter(asserted | signed_in, user=about.person.user)


def preview(about: About) -> int:
    """How many authorizations and sign-ins would end."""
    browsers = _browsers(about)
    live = resting(about, Authorization.objects.all()).filter(revoked=None)
    return browsers.count() + int(live.filter(_began_before(about, browsers)).count())
