"""Subject resolution: which person (iss, tenant, sub) is (ID-JAG §2.2, “Subject Resolution”).

A linked identity first. A verified email address only where the issuer's configuration names it; a new person only
where it allows that; otherwise nobody. Signing in by an issuer and redeeming its ID-JAG go through here alike, so both
find the same person. `aud_sub` is never asked: an issuer that could name our accounts could take them over (attack
23).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import IntegrityError

from authz import audit, statements
from authz.models import User
from authz.protocol.errors import OAuthError
from authz.protocol.errors import Reason as CoreReason
from authz.standing import groups_of
from authz.transactions import settled
from xaa.events import Event
from xaa.models import SubjectLink
from xaa.reasons import Reason
from xaa.trusted_issuers import Trust

MAXIMUM_GROUPS = 200
_LONGEST_EMAIL = 254


# --- The rules: pure ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an assertion says of a person. `email` only if the issuer has verified it, `""` otherwise."""

    tenant: str
    subject: str
    email: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person of ours with the address that the assertion names. `is_linked`: to the same issuer and tenant."""

    pk: int
    is_linked: bool


def identity(claims: Mapping[str, Any], groups_claim: str) -> Identity:
    """The identity in the claims of an assertion that has been judged."""
    email = claims.get("email")
    # > `email_verified`: True if the End-User's e-mail address has been verified (OpenID Connect Core §5.1). A string
    # > that says "true", or nothing at all, is not that.
    verified = claims.get("email_verified") is True and isinstance(email, str) and 3 <= len(email) <= _LONGEST_EMAIL
    return Identity(
        tenant=claims.get("tenant", ""),
        subject=claims["sub"],
        email=str(email) if verified else "",
        groups=groups(claims, groups_claim) if groups_claim else (),
    )


def groups(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """The group names of one claim; none where it is not a list of names. What is not said is not so."""
    named = claims.get(claim)
    if not isinstance(named, list):
        return ()
    names = [name for name in named if isinstance(name, str) and 0 < len(name) <= 150]
    return tuple(sorted(set(names)))[:MAXIMUM_GROUPS]


def choose(trust: Trust, who: Identity, candidates: Sequence[Candidate]) -> int | None:
    """The person to link a not yet linked identity to; None: make a new one. Raises OAuthError where neither may be."""
    # > combination of `iss` + `tenant` uniquely identifies the tenant (ID-JAG §6.1): whoever runs another tenant of the
    # same issuer may verify any address there, so addresses count only for tenants that are named.
    is_named = not who.tenant or who.tenant in trust.tenants
    if "email" in trust.match and who.email and is_named and candidates:
        if len(candidates) > 1:
            raise OAuthError(Reason.SUBJECT_AMBIGUOUS)
        # An address that the issuer has given to somebody else does not bring the account with it.
        if candidates[0].is_linked:
            raise OAuthError(Reason.SUBJECT_LINKED_OTHERWISE)
        return candidates[0].pk
    if trust.create:
        return None
    raise OAuthError(Reason.SUBJECT_NOT_LINKED)


# --- Around them ----------------------------------------------------------------------------------------------------

# Person, link and groups in one statement: each redemption and each exchange asks (`make bench`). A row for each group.
_LINKED = (
    "SELECT u.id, u.username, u.email, u.is_active, u.subject, l.id, l.groups, g.name"
    " FROM xaa_subjectlink l JOIN authz_user u ON u.id = l.user_id"
    " LEFT JOIN authz_user_groups m ON m.user_id = u.id LEFT JOIN auth_group g ON g.id = m.group_id"
    " WHERE l.issuer_id = %s AND l.tenant = %s AND l.subject = %s ORDER BY g.name"
)
_FIELDS = ("id", "username", "email", "is_active", "subject")  # in the model's order, as from_db() wants them


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of ours, with the groups that they are in now."""

    user: User
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Linked:
    """`said` are the groups that the issuer last put the person in."""

    person: Person
    link: int
    said: tuple[str, ...]


def resolve(trust: Trust, claims: Mapping[str, Any]) -> Person:
    """The person that a judged assertion of this issuer speaks of. Not inside `settled()`: it may link or create."""
    who = identity(claims, trust.groups_claim)
    if trust.tenants and who.tenant not in trust.tenants:
        raise OAuthError(Reason.ASSERTION_TENANT, detail="not named")
    linked = _find(trust, who) or _link(trust, who)
    if not linked.person.user.is_active:
        raise OAuthError(CoreReason.SUBJECT_INACTIVE)
    if trust.groups_claim and linked.said != who.groups:
        return _put_into_groups(linked, trust, who)
    return linked.person


def find(trust: Trust, claims: Mapping[str, Any]) -> User | None:
    """The person already linked, for looking without touching (`xaa explain`)."""
    linked = _find(trust, identity(claims, trust.groups_claim))
    return linked.person.user if linked else None


def candidates_for(trust: Trust, who: Identity) -> tuple[Candidate, ...]:
    """The people with the identity's verified address; two are enough to see that it is ambiguous."""
    if not who.email:
        return ()
    people = User.objects.filter(email__iexact=who.email).values_list("pk", flat=True)[:2]
    links = SubjectLink.objects.filter(issuer_id=trust.pk, tenant=who.tenant, user__in=list(people))
    taken = set(links.values_list("user", flat=True))
    return tuple(Candidate(pk, pk in taken) for pk in people)


def _find(trust: Trust, who: Identity) -> _Linked | None:
    rows = statements.every(_LINKED, (trust.pk, who.tenant, who.subject))
    if not rows:
        return None
    pk, username, email, is_active, subject, link, said, _ = rows[0]
    subject = subject if isinstance(subject, UUID) else UUID(subject)
    user = User.from_db("default", _FIELDS, (pk, username, email, bool(is_active), subject))
    groups_now = tuple(row[-1] for row in rows if row[-1] is not None)
    return _Linked(Person(user, groups_now), link, tuple(json.loads(said) if isinstance(said, str) else said))


def _link(trust: Trust, who: Identity) -> _Linked:
    try:
        chosen = choose(trust, who, candidates_for(trust, who))
        with settled():
            user = User.objects.get(pk=chosen) if chosen is not None else _create(trust, who)
            link = SubjectLink.objects.create(issuer_id=trust.pk, tenant=who.tenant, subject=who.subject, user=user)
            audit.record(Event.SUBJECT_LINKED, subject=str(user.subject), detail=_said(trust, who))
    except (IntegrityError, OAuthError) as error:
        # Somebody linked the same identity, or the same person, since we looked: what they wrote decides.
        found = _find(trust, who)
        if found is not None:
            return found
        if isinstance(error, OAuthError):
            raise
        raise OAuthError(Reason.SUBJECT_LINKED_OTHERWISE) from None
    return _Linked(Person(user, groups_of(user)), link.pk, ())


def _create(trust: Trust, who: Identity) -> User:
    # The name is ours to give, unique, and says where the person comes from; it is never one that a rule already names.
    digest = hashlib.sha256(f"{trust.issuer}\n{who.tenant}\n{who.subject}".encode()).hexdigest()[:12]
    is_new_address = bool(who.email) and not User.objects.filter(email__iexact=who.email).exists()
    name = who.email.partition("@")[0][:64] if who.email else "person"
    user = User(username=f"{name}-{digest}", email=who.email if is_new_address else "")
    user.set_unusable_password()
    user.save()
    audit.record(Event.SUBJECT_CREATED, subject=str(user.subject), detail=_said(trust, who))
    return user


def _put_into_groups(linked: _Linked, trust: Trust, who: Identity) -> Person:
    """Membership as the issuer says it; groups that the person has from elsewhere are left alone."""
    user = linked.person.user
    with settled():
        SubjectLink.objects.filter(pk=linked.link).update(groups=list(who.groups))
        left = [name for name in linked.said if name not in who.groups]
        user.groups.remove(*Group.objects.filter(name__in=left))
        Group.objects.bulk_create([Group(name=name) for name in who.groups], ignore_conflicts=True)
        user.groups.add(*Group.objects.filter(name__in=who.groups))
        audit.record(
            Event.SUBJECT_GROUPS_CHANGED,
            subject=str(user.subject),
            detail={**_said(trust, who), "groups": list(who.groups), "left": left},
        )
    return Person(user, groups_of(user))


def _said(trust: Trust, who: Identity) -> dict[str, object]:
    return {"issuer": trust.issuer, "sub": who.subject, **({"tenant": who.tenant} if who.tenant else {})}
