"""Directories as a source of group membership (GROUP_SOURCES, authz/registry.py), beside issuers and this server.

As of an issuer's link (xaa/subjects/group_source.py), an entry holds which groups the directory says (`groups`), and
which memberships rest on its word alone (`given`).
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Q

from authz.authorizations.live import groups_of
from authz.models import ProtectedResource, Rule, User
from authz.sign_in.memberships import changed
from authz.sign_in.origins import Known
from xaa.models import Directory, DirectoryGroup, DirectoryPerson
from xaa.scim.problems import ScimError, invalid
from xaa.subjects import group_source, said_groups, subject_resolution

PREFETCH = "directory_people"
ORIGIN = ("directory", "A directory")


def given(user: User) -> frozenset[str]:
    person: Any = user  # the relation is of this app, and only some runs of mypy know it
    entries = person.directory_people.all()
    return frozenset(name for entry in entries if entry.gone is None for name in entry.given)


def named(user: User) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for entry in DirectoryPerson.objects.select_related("directory").filter(user=user, gone=None):
        for name in entry.given:
            found.setdefault(name, []).append(f"directory {entry.directory.name}")
    return {name: ", ".join(sorted(givers)) for name, givers in found.items()}


def people() -> Q:
    """The people that a directory knows, or knew."""
    return Q(pk__in=DirectoryPerson.objects.values("user"))


def knows(user_pks: Collection[int]) -> dict[int, list[Known]]:
    """What directories last said of people."""
    found: dict[int, list[Known]] = {}
    for entry in DirectoryPerson.objects.select_related("directory").filter(user__in=user_pks).order_by("created"):
        said = (
            "has deleted them" if entry.gone else "says they are active" if entry.active else "says they are not active"
        )
        known = Known(by=entry.directory.name, said=said, when=entry.gone or entry.modified)
        found.setdefault(entry.user_id, []).append(known)
    return found


def names_groups(names: Collection[str]) -> dict[str, list[str]]:
    """Group → the directories that have it, of those that count here."""
    found: dict[str, list[str]] = {}
    rows = DirectoryGroup.objects.select_related("directory").filter(display_name__in=names).order_by("directory__name")
    approving = approving_groups() if rows else frozenset[str]()
    for row in rows:
        if counts(row.directory.groups, row.display_name, approving):
            found.setdefault(row.display_name, []).append(row.directory.name)
    return found


def give_way(user: User, names: Collection[str]) -> frozenset[str]:
    """Inside a transaction."""
    stays: set[str] = set()
    for entry in DirectoryPerson.objects.select_for_update().filter(user=user, gone=None).order_by("pk"):
        resting = sorted(set(entry.groups) - set(names))
        if resting != entry.given:
            DirectoryPerson.objects.filter(pk=entry.pk).update(given=resting)
        stays |= set(resting)
    return frozenset(stays)


def counts(patterns: Iterable[str], name: str, approving: Collection[str]) -> bool:
    """Whether a directory's group counts here. Pure. A pattern with a star covers no group that approves: who fills
    such a group decides about access, so an administrator names it letter by letter.
    """
    return any(
        name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]) and name not in approving)
        for pattern in patterns
    )


def approving_groups() -> frozenset[str]:
    """The groups whose members decide access requests."""
    rules = Rule.objects.filter(effect=Rule.Effect.REQUIRE_APPROVAL).values_list("definition", flat=True)
    by_rules = (definition.get("approvers") for definition in rules)
    by_servers = ProtectedResource.objects.exclude(approvers=None).values_list("approvers", flat=True)
    return frozenset(name for said in (*by_rules, *by_servers) if said for name in said.get("groups", ()))


def says(entry: DirectoryPerson, directory: Directory, approving: Collection[str]) -> tuple[str, ...]:
    """The groups that the directory puts the person into now. Raises `ScimError`."""
    if entry.gone is not None:
        return ()
    theirs = entry.said_groups.order_by("display_name").values_list("display_name", flat=True)
    names = [name for name in theirs if counts(directory.groups, name, approving)]
    found = said_groups.read({"groups": names}, "groups") if names else ()
    if isinstance(found, said_groups.Silence):
        raise invalid(f"A person is in more than {said_groups.MAXIMUM_GROUPS} groups that count here.")
    return found


def regroup(entry: DirectoryPerson, said: tuple[str, ...]) -> Mapping[str, Any] | None:
    """Put the person into these groups by the directory's word, and out of what rested on it alone; what changed, None
    if nothing did. Groups from elsewhere are left alone. Inside a transaction.
    """
    user_pk = entry.user_id
    links = group_source.locked(user_pk)
    entries = list(DirectoryPerson.objects.select_for_update().filter(user_id=user_pk).order_by("pk"))
    now = set(groups_of(entry.user))
    gave = next((set(row.given) for row in entries if row.pk == entry.pk), set())
    elsewhere = {name for link in links for name in link.given}
    elsewhere |= {name for row in entries if row.pk != entry.pk and row.gone is None for name in row.given}
    left = sorted(now - set(subject_resolution.membership(now, gave, said, elsewhere)))
    here = now - gave - elsewhere
    entry.groups, entry.given = list(said), sorted(set(said) - here)
    DirectoryPerson.objects.filter(pk=entry.pk).update(groups=entry.groups, given=entry.given)
    joined = sorted(set(said) - now)
    through = User.groups.through.objects
    through.filter(user_id=user_pk, group__name__in=left).delete()
    Group.objects.bulk_create([Group(name=name) for name in joined], ignore_conflicts=True)
    keys = Group.objects.filter(name__in=joined).values_list("pk", flat=True)
    through.bulk_create([User.groups.through(user_id=user_pk, group_id=key) for key in keys], ignore_conflicts=True)
    if not joined and not left:
        return None
    changed.send(sender=DirectoryPerson, people=[user_pk])
    return {"joined": joined, "left": left}


def removed(instance: DirectoryPerson, **_: Any) -> None:
    """What rested on an entry that is gone ends with it. In the transaction that removes it."""
    links = group_source.locked(instance.user_id)
    others = DirectoryPerson.objects.filter(user_id=instance.user_id, gone=None).exclude(pk=instance.pk)
    left = set(instance.given).difference(*(link.given for link in links), *(row.given for row in others))
    if left:
        User.groups.through.objects.filter(user_id=instance.user_id, group__name__in=left).delete()
        changed.send(sender=DirectoryPerson, people=[instance.user_id])


def directory_changed(instance: Directory, created: bool, **_: Any) -> None:
    """Which groups count may have changed."""
    if created:
        return
    approving = approving_groups()
    for entry in DirectoryPerson.objects.filter(directory=instance, gone=None).select_related("user"):
        try:
            said = says(entry, instance, approving)
        except ScimError:
            continue  # more groups than count: the memberships stay as they are
        if list(said) != entry.groups:
            regroup(entry, said)
