"""Trusted issuers as a source of group membership beside the file and the console (authz/sign_in/memberships.py).

Each link holds what its issuer last said (`groups`) and which memberships rest on that word alone (`given`). A
membership that was given here rests on no issuer's word; one that two issuers give ends with the later of the two. So
no two owners undo each other's work.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db.models import Q

from authz.database import raw_sql
from authz.models import User
from authz.sign_in.memberships import changed
from authz.sign_in.origins import Known
from xaa.models import DirectoryPerson, SubjectLink, TrustedIssuer

# What `given` reads, for those who ask about many people.
PREFETCH = "subject_links"
ORIGIN = ("issuer", "An identity provider")
# Each group that rests on an issuer's word, and the issuer's key.
_LISTED = (
    "json_each(link.given) AS given" if settings.IS_SQLITE else "jsonb_array_elements_text(link.given) AS given(value)"
)
_GIVERS = f"SELECT DISTINCT given.value, link.issuer_id FROM xaa_subjectlink AS link, {_LISTED}"  # noqa: S608  our own names


def given(user: User) -> frozenset[str]:
    """The groups that the person is in by an issuer's word alone."""
    return frozenset(name for link in user.subject_links.all() for name in link.given)


def named(user: User) -> dict[str, str]:
    """Group → the issuers that give it, by name."""
    found: dict[str, list[str]] = {}
    for link in user.subject_links.select_related("issuer"):
        for name in link.given:
            found.setdefault(name, []).append(link.issuer.name or link.issuer.issuer)
    return {name: ", ".join(sorted(set(issuers))) for name, issuers in found.items()}


def people() -> Q:
    """The people that an issuer has vouched for."""
    return Q(pk__in=SubjectLink.objects.values("user"))


def knows(user_pks: Collection[int]) -> dict[int, list[Known]]:
    """What issuers say of people: that they are linked, and when they last vouched for them."""
    found: dict[int, list[Known]] = {}
    for link in SubjectLink.objects.select_related("issuer").filter(user__in=user_pks).order_by("pk"):
        name = link.issuer.name or link.issuer.issuer
        known = Known(by=name, said="is linked to them", when=link.created)
        if link.said_at:
            known = Known(by=name, said="vouched for them", when=datetime.fromtimestamp(link.said_at, UTC))
        found.setdefault(link.user_id, []).append(known)
    return found


def names_groups(names: Collection[str]) -> dict[str, list[str]]:
    """Group → the issuers by whose word alone anyone is in it."""
    places = ", ".join(["%s"] * len(names))
    rows = raw_sql.every(f"{_GIVERS} WHERE given.value IN ({places})", list(names)) if names else []
    issuers = {row.pk: row.name or row.issuer for row in TrustedIssuer.objects.filter(pk__in={pk for _, pk in rows})}
    found: dict[str, list[str]] = {}
    for name, pk in rows:
        found.setdefault(name, []).append(issuers[pk])
    return {name: sorted(givers) for name, givers in found.items()}


def give_way(user: User, names: Collection[str]) -> frozenset[str]:
    """`names` are given here from now on, and no other group is: those that the person stays in by an issuer's word.

    Inside a transaction.
    """
    stays: set[str] = set()
    for link in locked(user.pk):
        resting = sorted(set(link.groups) - set(names))
        if resting != link.given:
            SubjectLink.objects.filter(pk=link.pk).update(given=resting)
        stays |= set(resting)
    return frozenset(stays)


def locked(user_pk: int) -> list[SubjectLink]:
    """The person's links, each locked, in one order: code that changes memberships holds all of them."""
    return list(SubjectLink.objects.select_for_update().filter(user_id=user_pk).order_by("pk"))


def given_by_directories(user_pk: int) -> frozenset[str]:
    """The groups that directories put the person into (xaa/scim/memberships.py)."""
    rows = DirectoryPerson.objects.filter(user_id=user_pk, gone=None).values_list("given", flat=True)
    return frozenset(name for given in rows for name in given)


def unlinked(instance: SubjectLink, **_: Any) -> None:
    """What rested on a link that is gone ends with it. In the transaction that removes it."""
    others = SubjectLink.objects.filter(user_id=instance.user_id).values_list("given", flat=True)
    left = set(instance.given).difference(*others, given_by_directories(instance.user_id))
    if left:
        User.groups.through.objects.filter(user_id=instance.user_id, group__name__in=left).delete()
        changed.send(sender=SubjectLink, people=[instance.user_id])
