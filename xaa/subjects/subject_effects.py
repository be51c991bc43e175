"""What an assertion says of a person takes effect: the link, a new person, the groups that the issuer puts them in.

It does so after the assertion's claim, in its transaction, so that a replay changes nothing; and in the order in which
assertions were issued, so that an older one that comes late changes nothing either (attack 44). A subject token is not
used up and has no claim: the link's row tells that its word was taken.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.db.models import F

from authz import audit
from authz.authorizations.live import groups_of
from authz.database import raw_sql
from authz.database.transactions import unit_of_work
from authz.models import User
from authz.protocol.errors import OAuthError, Reason
from xaa.events import Event
from xaa.models import SubjectLink
from xaa.subjects import group_source, local_passwords, subject_resolution
from xaa.subjects.subject_resolution import Identity, Link, PassedOver, Person, Resolution
from xaa.trusted_issuers import Trust

T = TypeVar("T")
# After as many attempts, each overtaken by another request that changed the same link, the request is refused for now.
ATTEMPTS = 5


class MovedError(Exception):
    """The link is no longer as it was looked at. What was done in the transaction is to be rolled back."""


def with_retries(attempt: Callable[[], T]) -> T:
    """The result of `attempt`, made again where another request was first. Not inside `unit_of_work()`.
    Raises `OAuthError`.
    """
    for _ in range(ATTEMPTS):
        try:
            return attempt()
        except MovedError:
            continue
    raise OAuthError(Reason.UNAVAILABLE, detail="the person's identity is being changed")


def resolve(trust: Trust, claims: Mapping[str, Any], *, agent: str = "") -> Person:
    """The person that a judged assertion speaks of, with what it says written: for one that is not used up."""

    def attempt() -> Person:
        found = subject_resolution.look(trust, claims, agent=agent)
        if not found.changes:
            return found.person
        with unit_of_work():
            return take(found)

    return with_retries(attempt)


def take(found: Resolution) -> Person:
    """Write what was looked at. Call it inside `unit_of_work()`, after the claim. Raises `MovedError`."""
    link = found.link.pk if found.link else _link(found)
    if found.who.silence is not None:
        # The memberships stay as they are, and an administrator can see why (attack 44).
        detail = {**_said(found.trust, found.who), "why": found.who.silence.value}
        audit.record(Event.SUBJECT_GROUPS_UNSAID, subject=str(found.person.user.subject), detail=detail)
    if found.word is None:
        if found.link is not None:
            _require_unmoved(found.link)
        return found.person
    links = group_source.locked(found.person.user.pk) if found.regroups else []
    # One conditional statement decides whose statement is next; the row's lock makes the others wait (invariant 3).
    heard = found.link.heard if found.link else None
    together = [*heard.digests, found.word.digest] if heard and heard.at == found.word.at else [found.word.digest]
    row = SubjectLink.objects.filter(pk=link, words=found.link.words if found.link else 0)
    row = row.filter(not_before=found.link.not_before if found.link else 0)
    said = {"groups": list(found.who.groups), "said_at": found.word.at, "said_by": sorted(together)}
    if not row.update(**said, words=F("words") + 1):
        raise MovedError
    return _put_into_groups(found, link, links) if found.regroups else found.person


# On PostgreSQL a request that ends the person's sessions at this moment waits for this one, or this one sees it.
_NOT_BEFORE = "SELECT not_before, agents_not_before FROM xaa_subjectlink WHERE id = %s"
_NOT_BEFORE = _NOT_BEFORE if settings.IS_SQLITE else f"{_NOT_BEFORE} FOR SHARE"


def _require_unmoved(link: Link) -> None:
    row = raw_sql.one(_NOT_BEFORE, (link.pk,))
    if row is None or row[0] != link.not_before or subject_resolution.mapping(row[1]) != link.agents_not_before:
        raise MovedError


def _link(found: Resolution) -> int:
    user, who, trust = found.person.user, found.who, found.trust
    try:
        if user.pk is None:
            user.save()
            audit.record(Event.SUBJECT_CREATED, subject=str(user.subject), detail=_said(trust, who))
            if found.passed_over is not None:
                _record_passed_over(found, found.passed_over)
        link = SubjectLink.objects.create(issuer_id=trust.pk, tenant=who.tenant, subject=who.subject, user=user)
    except IntegrityError:
        # Another request linked the same identity, or the same person, in between: what it wrote decides.
        raise MovedError from None
    audit.record(Event.SUBJECT_LINKED, subject=str(user.subject), detail=_said(trust, who))
    if trust.signs_in:
        local_passwords.take(user)
    return int(link.pk)


def _put_into_groups(found: Resolution, link: int, links: Sequence[SubjectLink]) -> Person:
    """Membership as the issuer says it; groups that the person has from elsewhere are left alone. `links` are all links
    of the person, locked, as they were before."""
    user, who = found.person.user, found.who
    now = set(groups_of(user))
    given = next((set(row.given) for row in links if row.pk == link), set())
    elsewhere = {name for row in links if row.pk != link for name in row.given}
    elsewhere |= group_source.given_by_directories(user.pk)
    left = sorted(now - set(subject_resolution.membership(now, given, who.groups, elsewhere)))
    # What is given here already stays ours, and doesn't end with the issuer's word.
    here = now - given - elsewhere
    SubjectLink.objects.filter(pk=link).update(given=sorted(set(who.groups) - here))
    user.groups.remove(*Group.objects.filter(name__in=left))
    Group.objects.bulk_create([Group(name=name) for name in who.groups], ignore_conflicts=True)
    user.groups.add(*Group.objects.filter(name__in=who.groups))
    if left or not set(who.groups) <= now or not found.link or found.link.groups != who.groups:
        detail = {**_said(found.trust, who), "groups": list(who.groups), "left": left}
        audit.record(Event.SUBJECT_GROUPS_CHANGED, subject=str(user.subject), detail=detail)
    return Person(user, groups_of(user))


def _record_passed_over(found: Resolution, passed_over: PassedOver) -> None:
    """A second person with the address of one who is here is not made without a word."""
    there = User.objects.filter(pk__in=passed_over.people).values_list("subject", flat=True)
    people = sorted(str(subject) for subject in there)
    detail = {**_said(found.trust, found.who), "why": passed_over.why.value, "people": people}
    audit.record(Event.SUBJECT_ADDRESS_UNUSED, subject=str(found.person.user.subject), detail=detail)


def _said(trust: Trust, who: Identity) -> dict[str, object]:
    return {"issuer": trust.issuer, "sub": who.subject, **({"tenant": who.tenant} if who.tenant else {})}
