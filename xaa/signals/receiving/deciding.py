"""Claims that an issuer has changed are taken over, and the person's access is decided anew."""

from datetime import datetime

from django.db.models import Q

from authz import audit, authorizations, clients, decisions
from authz.database.transactions import unit_of_work
from authz.decisions.status_review import judged_at
from authz.models import Authorization, User
from authz.protocol.errors import OAuthError
from authz.sign_in.sign_in import sign_in_of
from xaa.models import SignalSource
from xaa.signals.receiving.about import About, Effect
from xaa.signals.receiving.events import SignalEvent
from xaa.signals.receiving.sign_outs import resting
from xaa.subjects import subject_effects, subject_resolution

DECIDED_ANEW = "decided_anew"


def take_claims(about: About) -> Effect:
    """Groups, `acr` and `amr` that the event says are the issuer's word, as an assertion's would be."""
    claims, link = about.event.members.get("claims"), about.person.link
    if not isinstance(claims, dict) or link is None:
        return Effect(note="It says nothing that counts here.")
    taken = []
    # A group is the person's, and not one agent's or one session's.
    if about.part is None and about.trust.groups_claim and about.trust.groups_claim in claims:
        said = {
            "sub": link.subject,
            "iat": about.event.happened,
            about.trust.groups_claim: claims[about.trust.groups_claim],
            **({"tenant": link.tenant} if link.tenant else {}),
        }
        try:
            subject_effects.take(subject_resolution.look(about.trust, said))
            taken.append(about.trust.groups_claim)
        except OAuthError as refused:
            return Effect(note=refused.reason.value)
    rows = resting(about, Authorization.objects.filter(revoked=None))
    if isinstance(claims.get("acr"), str):
        rows.update(acr=claims["acr"][:255])
        taken.append("acr")
    methods = claims.get("amr")
    if isinstance(methods, list) and len(methods) <= 20 and all(isinstance(one, str) for one in methods):
        rows.update(amr=methods)
        taken.append("amr")
    return Effect(note=", ".join(taken) or "It says nothing that counts here.")


def decide_anew(user: User, source: SignalSource, now: datetime) -> int:
    """End what the rules no longer allow of the person; how many. Not inside `unit_of_work()`: rules may ask
    extensions. Each use is decided anew anyway; this is for status lists, and for people who look.
    """
    live = Authorization.objects.filter(user=user, revoked=None).filter(Q(expires=None) | Q(expires__gt=now))
    rows = live.select_related("client", "resource", "user")
    over = [row.pk for row in rows if not _is_still_allowed(row, now)]
    if not over:
        return 0
    with unit_of_work():
        ended = authorizations.end(Authorization.objects.filter(pk__in=over), reason=DECIDED_ANEW, now=now)
        detail = {"source": source.name, "ended": ended}
        audit.record(SignalEvent.DECIDED_ANEW, subject=str(user.subject), detail=detail)
    return ended


def _is_still_allowed(row: Authorization, now: datetime) -> bool:
    client = clients.registered(row.client.client_id)
    if client is None or row.user is None or not row.user.is_active:
        return False
    question = decisions.access_question(
        client=client,
        sign_in=sign_in_of(row.user, row),
        grant_type=row.grant_type,
        resource=row.resource,
        scopes=row.scopes if row.resource else row.identity_scopes,
    )
    return decisions.still_allowed(question, issued_at=judged_at(row), now=now.timestamp(), is_bound=bool(row.dpop_jkt))
