"""Which person of this server a directory's new entry is: never one by their name here, and never another's.

By the issuer's `sub`, where the directory says it; by an address, where the directory's issuer may find people so
(xaa/subjects/subject_resolution.py has the same rule for assertions); else a new account.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authz import audit
from authz.models import User
from authz.protocol.display_names import visible
from authz.sign_in import people
from xaa import trusted_issuers
from xaa.events import Event
from xaa.models import Directory, DirectoryPerson, SubjectLink
from xaa.scim.problems import ScimError, invalid, taken
from xaa.scim.reasons import ScimReason
from xaa.subjects import local_passwords, said_addresses
from xaa.trusted_issuers import Trust


@dataclass(frozen=True, slots=True)
class Found:
    """`was` is the entry that the directory had of this person and deleted; `made`: the account is new."""

    user: User
    made: bool
    was: DirectoryPerson | None


def kept_from(detail: str) -> ScimError:
    return ScimError(409, detail, "uniqueness", reason=ScimReason.PERSON_KEPT)


def subject_of(directory: Directory, attributes: Mapping[str, Any]) -> str:
    """The issuer's `sub` in what the directory says; "" where it says none. Raises `ScimError`."""
    if directory.issuer is None or not directory.subject:
        return ""
    found = str(attributes.get(directory.subject) or "")
    if not found:
        raise invalid(f"{directory.subject} is required: it says who the person is at the issuer.")
    return found


def address_of(attributes: Mapping[str, Any]) -> str:
    """The primary address, or else the first."""
    given = [one for one in attributes.get("emails", ()) if one.get("value")]
    chosen = next((one for one in given if one.get("primary") is True), given[0] if given else {})
    return str(chosen.get("value", ""))


def counting_address(directory: Directory, attributes: Mapping[str, Any]) -> str:
    """The address, if the directory may speak for it; "" otherwise.

    Of an issuer's directory it is that of an assertion which is silent about verification. A directory without an
    issuer is this organisation's own.
    """
    trust, claims = trust_of(directory), {"email": address_of(attributes)}
    if trust is None:
        return said_addresses.read({**claims, "email_verified": True}).text
    said = said_addresses.read(claims, is_trusted=trust.email_trusted, domains=trust.email_domains)
    # The administrators of another tenant can say any address there (ID-JAG §6.1).
    is_named = not directory.tenant or directory.tenant in trust.tenants
    return said.text if said.unused is None and is_named else ""


def trust_of(directory: Directory) -> Trust | None:
    return trusted_issuers.cached().get(directory.issuer.issuer) if directory.issuer is not None else None


def find_or_make(directory: Directory, attributes: Mapping[str, Any], names: Mapping[str, str]) -> Found:
    """Inside `unit_of_work()`. Raises `ScimError`, and IntegrityError where another request was faster."""
    subject = subject_of(directory, attributes)
    link = _link(directory, subject)
    if link is not None:
        return _as_found(directory, link.user, made=False)
    there, made = _by_address(directory, attributes), False
    if there is None:
        there, made = _new(directory, subject or str(attributes["userName"]), attributes, names)
    found = _as_found(directory, there, made=made)
    if subject:
        link_to(directory, there, subject)
    return found


def _link(directory: Directory, subject: str) -> SubjectLink | None:
    if not subject:
        return None
    rows = SubjectLink.objects.select_related("user")
    return rows.filter(issuer=directory.issuer, tenant=directory.tenant, subject=subject).first()


def link_to(directory: Directory, user: User, subject: str) -> None:
    """From now on the issuer's `sub` is this person. What another `sub` of theirs had ends. Raises `ScimError`."""
    assert directory.issuer is not None  # noqa: S101  for the type checker
    other = _link(directory, subject)
    if other is not None:
        if other.user_id != user.pk:
            raise kept_from("Another person is the issuer's subject of this name.")
        return
    for former in SubjectLink.objects.filter(issuer=directory.issuer, tenant=directory.tenant, user=user):
        former.delete()
    SubjectLink.objects.create(issuer=directory.issuer, tenant=directory.tenant, subject=subject, user=user)
    detail = {"issuer": directory.issuer.issuer, "sub": subject, "directory": directory.name}
    audit.record(Event.SUBJECT_LINKED, subject=str(user.subject), detail=detail)
    trust = trust_of(directory)
    if trust is not None and trust.signs_in:
        local_passwords.take(user)


def _as_found(directory: Directory, user: User, *, made: bool) -> Found:
    was = None if made else DirectoryPerson.objects.filter(directory=directory, user=user).first()
    if was is not None and was.gone is None:
        raise taken("The directory has this person already.")
    return Found(user, made, was)


def _by_address(directory: Directory, attributes: Mapping[str, Any]) -> User | None:
    trust, address = trust_of(directory), counting_address(directory, attributes)
    if trust is None or "email" not in trust.match or not address:
        return None
    there = people.with_address(address)[:2]
    if len(there) > 1:
        raise kept_from("Several people have this address.")
    if not there:
        return None
    user = there[0]
    # An address that the issuer has given to another person does not bring the account with it.
    is_linked = SubjectLink.objects.filter(issuer=directory.issuer, tenant=directory.tenant, user=user).exists()
    if is_linked and directory.subject:
        raise kept_from("The person with this address is another one at the issuer.")
    if DirectoryPerson.objects.filter(user=user).exclude(directory=directory).exists():
        raise kept_from("The person with this address is another directory's.")
    # One who could name an administrator's address could end their access, and everyone's with it.
    if user.role != User.Role.NONE:
        raise kept_from("The person with this address has a role here. An administrator links them by hand.")
    return user


def _new(directory: Directory, key: str, attributes: Mapping[str, Any], names: Mapping[str, str]) -> tuple[User, bool]:
    """The account, and whether it is new: where no `sub` says it, one that the directory had deleted is known by its
    userName.
    """
    # As of a person that an assertion makes: a name that no rule can have, so none is taken over by it.
    of = directory.issuer.issuer if directory.issuer is not None else f"directory {directory.name}"
    digest = hashlib.sha256(f"{of}\n{directory.tenant}\n{key}".encode()).hexdigest()[:12]
    name = visible(str(attributes["userName"]).partition("@")[0])[:64] or "person"
    username = f"{name}-{digest}"
    there = User.objects.filter(username=username).first()
    if there is not None:
        if DirectoryPerson.objects.filter(directory=directory, user=there, gone__isnull=False).exists():
            return there, False
        raise kept_from("An administrator has taken this person out of the directory.")
    address = counting_address(directory, attributes)
    user = User(
        username=username,
        email="" if people.with_address(address) else address,
        is_from_elsewhere=directory.issuer is not None,
        **names,
    )
    user.set_unusable_password()
    user.save()
    return user, True
