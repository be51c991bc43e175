"""Sessions that an issuer ended: the sign-ins by it, and what rests on them and on its ID-JAGs; all, or a part."""

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
    # First: a redemption that holds the link's row has committed once this statement has it, so what it made is seen
    # below; one that comes later is refused.
    before = _refuse_earlier_assertions(about)
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


def _refuse_earlier_assertions(about: About) -> dict[str, Any] | None:
    """Assertions of before count no more: all, or those that the agent presents. What an undo puts back."""
    link, part, happened = about.person.link, about.part, about.event.happened
    if link is None or (part is not None and (part.assertion is not None or part.sign_ins)):
        return None
    if part is None or part.agent is None:
        newer = SubjectLink.objects.filter(pk=link.pk, not_before__lt=happened)
        return {"not_before": link.not_before} if newer.update(not_before=happened) else None
    row = SubjectLink.objects.select_for_update().get(pk=link.pk)
    was = row.agents_not_before.get(part.agent, 0)
    if was >= happened:
        return None
    # `words` moves, too, so that what was looked at before is looked at again (xaa/subjects/subject_effects.py).
    agents = {**row.agents_not_before, part.agent: happened}
    SubjectLink.objects.filter(pk=link.pk).update(agents_not_before=agents, words=F("words") + 1)
    return {"agent": part.agent, "agent_not_before": was}


def _browsers(about: About) -> QuerySet[BrowserSession]:
    """The person's browsers that the issuer signed in, but for those that were signed in after the event."""
    user, part = about.person.user, about.part
    if part is not None and (part.agent is not None or part.assertion is not None):
        return BrowserSession.objects.none()
    later = Session.objects.filter(user=user, started__gt=about.until).values_list("digest", flat=True)
    return BrowserSession.objects.filter(user=user, issuer=about.source.issuer.issuer).exclude(
        digest__in=[*later, *_other_sessions(about)]
    )


def _other_sessions(about: About) -> list[str]:
    """The digests of the person's sign-ins that the issuer calls by another name than the event does."""
    if about.part is None or about.part.sessions is None:
        return []
    named = Session.objects.filter(user=about.person.user, issuer=about.source.issuer.issuer)
    return list(named.exclude(issuer_sid__in=["", *about.part.sessions]).values_list("digest", flat=True))


def _began_before(about: About, browsers: QuerySet[BrowserSession]) -> Q:
    return Q(created__lte=about.until) | Q(session_digest__in=list(browsers.values_list("digest", flat=True)))


def resting(about: About, rows: Any) -> Any:
    """Of authorizations or codes those of the person that rest on the issuer (and tenant), as far as the event is about
    them."""
    issuer, tenant = about.source.issuer.issuer, about.person.link.tenant if about.person.link else about.source.tenant
    asserted, signed_in = Q(lineage__issuer=issuer), Q(lineage__signed_in_by=issuer)
    if tenant:
        asserted, signed_in = asserted & Q(lineage__tenant=tenant), signed_in & Q(lineage__signed_in_tenant=tenant)
    part = about.part
    if part is None:
        return rows.filter(asserted | signed_in, user=about.person.user)
    found = rows.filter(signed_in if part.sign_ins else asserted | signed_in, user=about.person.user)
    if part.agent is not None:
        found = found.filter(client__client_id=part.agent)
    if part.assertion is not None:
        found = found.filter(asserted, lineage__assertion_jti=part.assertion)
    return found.exclude(session_digest__in=others) if (others := _other_sessions(about)) else found


def preview(about: About) -> int:
    """How many authorizations and sign-ins would end."""
    browsers = _browsers(about)
    live = resting(about, Authorization.objects.all()).filter(revoked=None)
    return browsers.count() + int(live.filter(_began_before(about, browsers)).count())
