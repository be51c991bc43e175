"""People of a directory: created, changed, deactivated and deleted, each in one transaction, with its event."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from authz import audit
from authz.authorizations import cut_off, removal
from authz.conf import conf
from authz.models import User
from authz.protocol.display_names import visible
from authz.sign_in import people as people_here
from xaa.models import DirectoryPerson
from xaa.scim import linking, memberships, versions
from xaa.scim.caller import Caller
from xaa.scim.events import ScimEvent
from xaa.scim.problems import ScimError, not_found
from xaa.scim.reasons import ScimReason
from xaa.scim.schemas import ENTERPRISE, KIND_OF_USER, USER

# What has a column of its own.
_COLUMNS = frozenset({"userName", "externalId", "active"})


def rows(caller: Caller) -> Any:
    return DirectoryPerson.objects.filter(directory=caller.directory, gone=None).select_related("user")


def find(caller: Caller, key: UUID, *, locked: bool = False) -> DirectoryPerson:
    """Raises `ScimError` (404), for another directory's person too."""
    found = (rows(caller).select_for_update(of=("self",)) if locked else rows(caller)).filter(pk=key).first()
    if found is None:
        raise not_found()
    return found  # type: ignore[no-any-return]


def stored(entry: DirectoryPerson) -> dict[str, Any]:
    """What the directory has said, in the form that PATCH works on."""
    said = {"userName": entry.user_name, **entry.attributes, "active": entry.active}
    return said | ({"externalId": entry.external_id} if entry.external_id else {})


def shown(entry: DirectoryPerson, *, with_groups: bool = True) -> dict[str, Any]:
    """The resource."""
    schemas = [USER, *([ENTERPRISE] if ENTERPRISE in entry.attributes else [])]
    found = {"schemas": schemas, "id": str(entry.pk), **stored(entry)}
    # What an administrator has stopped is not active, whatever the directory says.
    found["active"] = entry.active and entry.user.is_active
    if with_groups:
        groups = [
            {
                "value": str(group.pk),
                "$ref": conf.endpoint(f"scim/v2/Groups/{group.pk}"),
                "display": group.display_name,
                "type": "direct",
            }
            for group in entry.said_groups.all()
        ]
        found |= {"groups": groups} if groups else {}
    return found | {"meta": versions.meta(entry, KIND_OF_USER)}


def create(caller: Caller, attributes: Mapping[str, Any]) -> DirectoryPerson:
    """Inside `unit_of_work()`. Raises `ScimError`, and IntegrityError where another request was faster."""
    found = linking.find_or_make(caller.directory, attributes, _names(attributes))
    ended = found.was.ended if found.was is not None else None
    if found.was is not None:
        found.was.delete()
    entry = DirectoryPerson(
        directory=caller.directory,
        user=found.user,
        made=found.made or (found.was is not None and found.was.made),
        created=caller.now,
        modified=caller.now,
        ended=ended,
        active=ended is None,
    )
    _take(entry, attributes)
    entry.save(force_insert=True)
    _record(ScimEvent.PERSON_CREATED, caller, entry, made=found.made)
    _set_active(caller, entry, bool(attributes.get("active", True)))
    return entry


def change(caller: Caller, entry: DirectoryPerson, attributes: Mapping[str, Any]) -> DirectoryPerson:
    """Make a locked entry be what `attributes` say, all of it. Inside `unit_of_work()`. Raises `ScimError`."""
    before = stored(entry)
    active = bool(attributes.get("active", True))
    after = {**attributes, "active": active}
    is_lifted = not active and entry.user.is_active
    if after == before and not is_lifted:
        return entry
    subject = linking.subject_of(caller.directory, attributes)
    _take(entry, attributes)
    entry.version += 1
    entry.modified = caller.now
    entry.save()
    # So that no administrator's change comes in between.
    _locked_administrators(entry)
    with cut_off.by_its_author(entry.ended):
        if subject:
            linking.link_to(caller.directory, entry.user, subject)
        _tell_account(caller, entry, attributes)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    _record(ScimEvent.PERSON_CHANGED, caller, entry, changed=changed, active=active)
    _set_active(caller, entry, active)
    return entry


def remove(caller: Caller, entry: DirectoryPerson) -> None:
    """The person leaves, and the entry is gone; the account and the issuer's link stay, so that no assertion makes a
    new one of the same person. Inside `unit_of_work()`."""
    _set_active(caller, entry, False)
    entry.said_groups.clear()
    entry.gone = caller.now
    memberships.regroup(entry, ())
    entry.user_name, entry.user_name_key, entry.external_id, entry.attributes = "", "", "", {}
    entry.groups, entry.given = [], []
    entry.save()
    _record(ScimEvent.PERSON_REMOVED, caller, entry)


def regroup(caller: Caller, entry: DirectoryPerson, approving: frozenset[str]) -> None:
    """After the directory's groups have changed: the person's memberships, and an event if one did."""
    said = memberships.says(entry, caller.directory, approving)
    if list(said) == entry.groups:
        return
    if changed := memberships.regroup(entry, said):
        _record(ScimEvent.PERSON_CHANGED, caller, entry, changed=["groups"], **changed)


def _take(entry: DirectoryPerson, attributes: Mapping[str, Any]) -> None:
    entry.user_name = attributes["userName"]
    entry.user_name_key = entry.user_name.casefold()[:765]
    entry.external_id = attributes.get("externalId", "")
    entry.attributes = {name: value for name, value in attributes.items() if name not in _COLUMNS}


def _names(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Of the account that is made for the person; nothing else of it is the directory's to say."""
    name = attributes.get("name", {})
    parts = {"first_name": name.get("givenName", ""), "last_name": name.get("familyName", "")}
    return {column: visible(str(text))[:150] for column, text in parts.items()}


def _tell_account(caller: Caller, entry: DirectoryPerson, attributes: Mapping[str, Any]) -> None:
    """The name and the address of an account that was made for this entry."""
    if not entry.made:
        return
    user = entry.user
    address = linking.counting_address(caller.directory, attributes)
    others = [one for one in people_here.with_address(address) if one.pk != user.pk]
    values = {**_names(attributes), "email": user.email if others or not address else address}
    if any(getattr(user, column) != value for column, value in values.items()):
        for column, value in values.items():
            setattr(user, column, value)
        user.save(update_fields=list(values))


def _set_active(caller: Caller, entry: DirectoryPerson, wanted: bool) -> None:
    if not wanted:
        if entry.user.is_active or entry.active:
            _deactivate(caller, entry)
    elif not entry.active:
        _reactivate(caller, entry)


def _deactivate(caller: Caller, entry: DirectoryPerson) -> None:
    """By the product's own switch: sessions, codes, consents, authorizations and what waits for approval end."""
    user = entry.user
    # The last one who could undo a mistake stays, or a stolen token of a directory would lock everyone out.
    # Attack: the last two leave at once, and each sees the other.
    administrators = _locked_administrators(entry)
    if user.pk in administrators and len(administrators) == 1:
        detail = "The person is this server's last administrator."
        raise ScimError(403, detail, reason=ScimReason.PERSON_KEPT)
    found = cut_off.target("person", user.username)

    def stop() -> None:
        found.stop()
        removal.close_requests(user)

    because = f"{caller.directory.name}: no longer active there"
    entry.ended = cut_off.end_now(
        replace(found, stop=stop), kind="person", identifier=user.username, reason=because, by=caller.by, now=caller.now
    )
    entry.active = False
    entry.save(update_fields=["active", "ended"])
    user.is_active = False


def _locked_administrators(entry: DirectoryPerson) -> set[int]:
    """The active administrators, locked together with the entry's person, always in one order; none of them where the
    person is no administrator, so that leavers do not wait for each other. Inside a transaction."""
    if entry.user.role != User.Role.ADMINISTRATOR:
        own = User.objects.select_for_update(of=("self",)).get(pk=entry.user_id)
        if own.role != User.Role.ADMINISTRATOR:
            return set()
    active = Q(role=User.Role.ADMINISTRATOR, is_active=True)
    rows = User.objects.select_for_update(of=("self",)).filter(Q(pk=entry.user_id) | active).order_by("pk")
    return {row.pk for row in rows if row.role == User.Role.ADMINISTRATOR and row.is_active}


def _reactivate(caller: Caller, entry: DirectoryPerson) -> None:
    """Give back what this directory's own word took, and no more: who was stopped here, before or since, stays so."""
    if entry.ended is not None:
        try:
            with transaction.atomic():
                cut_off.give_back(entry.ended, by=caller.by, now=caller.now)
        except cut_off.NothingToUndo as refused:
            _record(ScimEvent.PERSON_CHANGED, caller, entry, stays_inactive=refused.reason.value)
    entry.active, entry.ended = True, None
    entry.save(update_fields=["active", "ended"])
    entry.user.refresh_from_db(fields=["is_active"])


def _record(event: ScimEvent, caller: Caller, entry: DirectoryPerson, **detail: object) -> None:
    audit.record(event, subject=str(entry.user.subject), detail={**caller.detail, "id": str(entry.pk), **detail})
