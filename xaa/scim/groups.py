"""Groups of a directory, and who is in them. What a group counts for here, memberships.py says."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from authz import audit
from authz.conf import conf
from authz.protocol.display_names import has_unseen, visible
from xaa.models import DirectoryGroup, DirectoryPerson
from xaa.scim import memberships, people, versions
from xaa.scim.caller import Caller
from xaa.scim.events import ScimEvent
from xaa.scim.problems import invalid, not_found
from xaa.scim.schemas import GROUP, KIND_OF_GROUP


def rows(caller: Caller) -> Any:
    return DirectoryGroup.objects.filter(directory=caller.directory)


def find(caller: Caller, key: UUID, *, locked: bool = False) -> DirectoryGroup:
    """Raises `ScimError` (404), for another directory's group too."""
    found = (rows(caller).select_for_update() if locked else rows(caller)).filter(pk=key).first()
    if found is None:
        raise not_found()
    return found  # type: ignore[no-any-return]


def stored(group: DirectoryGroup, *, with_members: bool = True) -> dict[str, Any]:
    """What the directory has said, in the form that PATCH works on."""
    found: dict[str, Any] = {"displayName": group.display_name}
    found |= {"externalId": group.external_id} if group.external_id else {}
    if with_members:
        # So that `members[value eq "…" and type eq "User"]` means something in a PATCH; it is not shown.
        found["members"] = [{"value": key, "type": "User"} for key in _members_of(group)]
    return found


def shown(group: DirectoryGroup, *, with_members: bool = True) -> dict[str, Any]:
    """The resource."""
    found = {"schemas": [GROUP], "id": str(group.pk), **stored(group, with_members=False)}
    if with_members:
        # authentik takes a group without the attribute for one whose members it may not change.
        place = conf.endpoint("scim/v2/Users")
        found["members"] = [{"value": key, "$ref": f"{place}/{key}"} for key in _members_of(group)]
    return found | {"meta": versions.meta(group, KIND_OF_GROUP)}


def _members_of(group: DirectoryGroup) -> list[str]:
    return [str(key) for key in group.members.order_by("created", "id").values_list("pk", flat=True)]


def create(caller: Caller, attributes: Mapping[str, Any]) -> DirectoryGroup:
    """Inside `unit_of_work()`. Raises `ScimError`, and IntegrityError where another request was faster."""
    group = DirectoryGroup(directory=caller.directory, created=caller.now, modified=caller.now)
    _take(group, attributes)
    members = _members(caller, attributes)
    group.save(force_insert=True)
    group.members.through.objects.bulk_create(_rows(group, members), batch_size=500)
    _record(ScimEvent.GROUP_CREATED, caller, group, members=len(members))
    _regroup(caller, members)
    return group


def change(caller: Caller, group: DirectoryGroup, attributes: Mapping[str, Any]) -> DirectoryGroup:
    """Make a locked group be what `attributes` say, all of it. Inside `unit_of_work()`. Raises `ScimError`."""
    before = stored(group)
    there = set(group.members.values_list("pk", flat=True))
    members = _members(caller, attributes, known=there)
    wanted = members | (there & _keys(attributes))
    if wanted == there and all(before.get(name) == attributes.get(name) for name in ("displayName", "externalId")):
        return group
    is_renamed = before["displayName"] != attributes["displayName"]
    _take(group, attributes)
    group.version += 1
    group.modified = caller.now
    group.save()
    joined, left = wanted - there, there - wanted
    for start in range(0, len(left), 500):
        some = sorted(left)[start : start + 500]
        group.members.through.objects.filter(directorygroup=group, directoryperson__in=some).delete()
    group.members.through.objects.bulk_create(_rows(group, joined), batch_size=500, ignore_conflicts=True)
    _record(ScimEvent.GROUP_CHANGED, caller, group, joined=len(joined), left=len(left), renamed=is_renamed)
    _regroup(caller, wanted | there if is_renamed else joined | left)
    return group


def remove(caller: Caller, group: DirectoryGroup) -> None:
    """Inside `unit_of_work()`."""
    there = set(group.members.values_list("pk", flat=True))
    _record(ScimEvent.GROUP_REMOVED, caller, group, members=len(there))
    group.delete()
    _regroup(caller, there)


def _take(group: DirectoryGroup, attributes: Mapping[str, Any]) -> None:
    name = attributes["displayName"]
    # A group that only looks like another one must not pass for it (attack 11).
    group.display_name = (visible(name) if has_unseen(name) else name)[:150]
    group.display_key = group.display_name.casefold()[:450]
    group.external_id = attributes.get("externalId", "")


def _rows(group: DirectoryGroup, keys: Iterable[UUID]) -> list[Any]:
    return [group.members.through(directorygroup=group, directoryperson_id=key) for key in sorted(keys)]


def _keys(attributes: Mapping[str, Any]) -> set[UUID]:
    try:
        return {UUID(str(one["value"])) for one in attributes.get("members", ())}
    except (ValueError, KeyError):
        raise invalid("A member's value is the id of a person of this directory.") from None


def _members(caller: Caller, attributes: Mapping[str, Any], known: Iterable[UUID] = ()) -> set[UUID]:
    """The keys of the people who are named and not known yet. Raises `ScimError` for one of another directory."""
    wanted = _keys(attributes) - set(known)
    found: set[UUID] = set()
    ordered = sorted(wanted)
    for start in range(0, len(ordered), 500):
        found.update(people.rows(caller).filter(pk__in=ordered[start : start + 500]).values_list("pk", flat=True))
    if found != wanted:
        raise invalid("A member's value is the id of a person of this directory.")
    return found


def _regroup(caller: Caller, keys: Iterable[UUID]) -> None:
    ordered, approving = sorted(keys), memberships.approving_groups()
    for start in range(0, len(ordered), 500):
        some = DirectoryPerson.objects.filter(pk__in=ordered[start : start + 500]).select_related("user", "directory")
        for entry in some.order_by("pk"):
            people.regroup(caller, entry, approving)


def _record(event: ScimEvent, caller: Caller, group: DirectoryGroup, **detail: object) -> None:
    audit.record(event, detail={**caller.detail, "id": str(group.pk), "group": group.display_name, **detail})
