"""Which person of this server an event is about: one of the source's own issuer (and tenant), or no one.

> An SSF Receiver MUST make a best effort to process all members from a Subject in an SSF event. (SSF 1.0 §3.6)

A transmitter that could name another issuer's people, another tenant's, or ours by a name of ours could end their
access (attack 23). So a person is found by the issuer's `sub`, by a directory of the issuer, or by an address among
those who are linked to the issuer, and never otherwise. Where identifiers name two people, no one is found.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from django.db.models import Q

from authz.conf import conf
from authz.models import Authorization, User
from authz.protocol import email_addresses
from authz.sign_in import people as people_here
from xaa.models import DirectoryPerson, Session, SignalSource, SubjectLink
from xaa.signals import subjects
from xaa.signals.receiving import parts
from xaa.signals.receiving.parts import Part
from xaa.signals.receiving.why import Why
from xaa.signals.subjects import Account, Complex, Email, IssSub, JwtId, Opaque, Simple, Subject

# The members of a complex subject that are understood (parts.py).
UNDERSTOOD = frozenset({subjects.USER, subjects.TENANT, subjects.SESSION, subjects.DEVICE, subjects.APPLICATION})


@dataclass(frozen=True, slots=True)
class Person:
    """A person, with the link to the issuer; None where only a directory of the issuer knows them. `part` is less than
    all that the issuer gave them; None for all of it."""

    user: User
    link: SubjectLink | None
    part: Part | None = None


def find(source: SignalSource, transmitter: str, subject: Subject, critical: Collection[str]) -> Person | Why:
    """The person of an event, with the part that it is about. `critical`: the members that the transmitter says have to
    be understood.
    """
    members = subject.members if isinstance(subject, Complex) else {}
    # > An SSF Receiver MUST discard any event that contains a Subject with a Critical member that it is unable to
    # > process. (SSF 1.0 §3.6)
    if set(critical) & set(members) - UNDERSTOOD:
        return Why.CRITICAL
    tenant = _tenant(source, members.get(subjects.TENANT))
    if tenant is None:
        return Why.OTHER_TENANT
    part = parts.of(source, transmitter, subject)
    if isinstance(part, Why):
        return part
    if not isinstance(subject, Complex):
        found = _person(source, transmitter, tenant, subject)
        return _of_session(source, tenant, subject) or found if found is Why.UNKNOWN else _with(found, part)
    if subjects.USER in members:
        return _with(_person(source, transmitter, tenant, members[subjects.USER]), part)
    session = members.get(subjects.SESSION)
    is_alone = session is not None and set(members) <= {subjects.SESSION, subjects.TENANT}
    return (_of_session(source, tenant, session) if session is not None and is_alone else None) or Why.NO_USER


def _with(found: Person | Why, part: Part | None) -> Person | Why:
    return replace(found, part=part) if isinstance(found, Person) else found


def _of_session(source: SignalSource, tenant: str, named: Simple) -> Person | None:
    """> The explicit session identifier may be directly referenced in the subject (CAEP 1.0 §3.1)

    Found by the `sid` that the issuer's ID token had.
    """
    if not isinstance(named, Opaque):
        return None
    links = SubjectLink.objects.filter(issuer=source.issuer, tenant=tenant).select_related("user")
    sessions = Session.objects.filter(issuer=source.issuer.issuer, issuer_sid=named.id).values("user")
    found = list(links.filter(user__in=sessions)[:2])
    part = Part(sessions=frozenset({named.id}))
    return Person(found[0].user, found[0], part) if len(found) == 1 else None


def _person(source: SignalSource, transmitter: str, tenant: str, user: Simple) -> Person | Why:
    found: Person | Why = Why.UNKNOWN
    for _, identifier in subjects.simple_parts(user):
        one = _by(source, transmitter, tenant, identifier)
        if isinstance(one, Why):
            if one.is_confusion:
                return one
            found = one if found is Why.UNKNOWN else found
        elif isinstance(found, Person) and found.user.pk != one.user.pk:
            # > Each Subject Identifier in the array MUST identify the same entity. (RFC 9493 §3.2.8)
            return Why.TWO_PEOPLE
        else:
            found = one
    return found


def _tenant(source: SignalSource, said: Simple | None) -> str | None:
    """The tenant that the person has to be of; None where the event names another one."""
    named = said.id if isinstance(said, Opaque) else said.sub if isinstance(said, IssSub) else ""
    if source.tenant:
        return source.tenant if said is None or named == source.tenant else None
    if source.issuer.tenants:
        return named if named in source.issuer.tenants else None if said is not None else ""
    # Of an issuer without tenants, what an event calls its tenant is the issuer itself.
    return named if named and source.issuer.links.filter(tenant=named).exists() else ""


def _by(source: SignalSource, transmitter: str, tenant: str, identifier: Simple) -> Person | Why:
    links = SubjectLink.objects.filter(issuer=source.issuer, tenant=tenant).select_related("user")
    match identifier:
        case IssSub(iss, sub) if iss == conf.issuer:
            ours = next((link for link in links.filter(user__subject=sub)), None) if _is_uuid(sub) else None
            return Person(ours.user, ours) if ours is not None else Why.UNKNOWN
        case IssSub(iss, sub):
            return _by_sub(source, tenant, sub) if _is_its_own(source, transmitter, iss) else Why.OTHER_ISSUER
        case Opaque(key):
            return _by_sub(source, tenant, key)
        case Email(address):
            return _by_address(source, tenant, address)
        case Account() as account:
            return _by_address(source, tenant, account.address)
        case JwtId(iss, jti) if _is_its_own(source, transmitter, iss):
            rows = Authorization.objects.filter(lineage__issuer=source.issuer.issuer, lineage__assertion_jti=jti)
            return _one({row.user_id for row in rows if row.user_id}, source, tenant)
        case JwtId():
            return Why.OTHER_ISSUER
    return Why.FORMAT


def _is_its_own(source: SignalSource, transmitter: str, iss: str) -> bool:
    return iss in {source.issuer.issuer, transmitter}


def _is_uuid(text: str) -> bool:
    return len(text) == 36 and all(letter in "0123456789abcdef-" for letter in text)


def _by_sub(source: SignalSource, tenant: str, sub: str) -> Person | Why:
    found = (
        SubjectLink.objects.filter(issuer=source.issuer, tenant=tenant, subject=sub).select_related("user").first()
        if len(sub) <= 255
        else None
    )
    if found is not None:
        return Person(found.user, found)
    return _one(set(_entries(source, tenant, Q(external_id=sub[:255]))), source, tenant) if sub else Why.UNKNOWN


def _by_address(source: SignalSource, tenant: str, address: str) -> Person | Why:
    with_it = [person.pk for person in people_here.with_address(address)]
    links = SubjectLink.objects.filter(issuer=source.issuer, tenant=tenant, user__in=with_it)
    named = Q(user_name_key=email_addresses.key(address)[:765])
    return _one({*links.values_list("user_id", flat=True), *_entries(source, tenant, named)}, source, tenant)


def _entries(source: SignalSource, tenant: str, which: Q) -> Iterator[int]:
    """The people of the issuer's own directory."""
    rows = DirectoryPerson.objects.filter(
        which, directory__issuer=source.issuer, directory__tenant=tenant, directory__enabled=True, gone=None
    )
    yield from rows.values_list("user_id", flat=True)


def _one(keys: set[int], source: SignalSource, tenant: str) -> Person | Why:
    if len(keys) != 1:
        return Why.AMBIGUOUS if keys else Why.UNKNOWN
    user = User.objects.filter(pk=next(iter(keys))).first()
    if user is None:
        return Why.UNKNOWN
    return Person(user, SubjectLink.objects.filter(issuer=source.issuer, tenant=tenant, user=user).first())
