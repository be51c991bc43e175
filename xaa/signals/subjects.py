"""Subject identifiers (RFC 9493 §3.2, SSF 1.0 §3): who or what an event is about. Pure.

`read` takes them from others' events, `as_json` puts them into ours. Nothing here says which person that is.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from authz.protocol import email_addresses

MAXIMUM_TEXT = 1024
MAXIMUM_IDENTIFIERS = 20
_ACCOUNT = re.compile(r"acct:[^@\s]+@[^@\s]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_PHONE = re.compile(r"\+[0-9 ().-]{3,30}")


class SubjectError(ValueError):
    """A subject that is none. Its text names the member that is wrong, and never a value."""


@dataclass(frozen=True, slots=True)
class IssSub:
    iss: str
    sub: str


@dataclass(frozen=True, slots=True)
class Email:
    email: str


@dataclass(frozen=True, slots=True)
class Opaque:
    id: str


@dataclass(frozen=True, slots=True)
class Account:
    """`uri` is an acct URI (RFC 7565)."""

    uri: str

    @property
    def address(self) -> str:
        """What stands behind “acct:”, in the form of an email address."""
        return self.uri.partition(":")[2]


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    phone_number: str


@dataclass(frozen=True, slots=True)
class Did:
    url: str


@dataclass(frozen=True, slots=True)
class Uri:
    uri: str


@dataclass(frozen=True, slots=True)
class JwtId:
    """A JWT by its issuer and `jti` (SSF 1.0 §3.5.1)."""

    iss: str
    jti: str


@dataclass(frozen=True, slots=True)
class SamlAssertionId:
    issuer: str
    assertion_id: str


@dataclass(frozen=True, slots=True)
class IpAddresses:
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Foreign:
    """A format that the texts do not define: there is such a subject, and no one here can know it."""

    format: str


@dataclass(frozen=True, slots=True)
class Aliases:
    """Several identifiers of one and the same subject; each end takes those that it knows."""

    identifiers: tuple["Simple", ...]


Simple = (
    IssSub
    | Email
    | Opaque
    | Account
    | PhoneNumber
    | Did
    | Uri
    | JwtId
    | SamlAssertionId
    | IpAddresses
    | Foreign
    | Aliases
)

# Members of a complex subject that SSF 1.0 §3.3 names.
USER, DEVICE, SESSION, APPLICATION = "user", "device", "session", "application"
TENANT, ORG_UNIT, GROUP = "tenant", "org_unit", "group"


@dataclass(frozen=True, slots=True)
class Complex:
    """What all of the members have in common is the subject: this user's sessions on this device, say."""

    members: Mapping[str, Simple] = field(default_factory=dict)


Subject = Simple | Complex

# Of each format whose members are texts: its class, and the members in the order of its fields.
_PLAIN: Mapping[str, tuple[type, tuple[str, ...]]] = {
    "iss_sub": (IssSub, ("iss", "sub")),
    "email": (Email, ("email",)),
    "opaque": (Opaque, ("id",)),
    "account": (Account, ("uri",)),
    "phone_number": (PhoneNumber, ("phone_number",)),
    "did": (Did, ("url",)),
    "uri": (Uri, ("uri",)),
    "jwt_id": (JwtId, ("iss", "jti")),
    "saml_assertion_id": (SamlAssertionId, ("issuer", "assertion_id")),
}
_FORMAT_OF = {kind: name for name, (kind, _) in _PLAIN.items()}


def read(value: object) -> Subject:
    """The subject in a `sub_id`. Raises `SubjectError`.

    Members that the format does not describe are passed over (SSF 1.0 §4.2.3 asks that of receivers).
    """
    said = _object(value)
    if _format(said) != "complex":
        return _simple(said)
    # > Each member name MAY appear at most once in the Complex Subject value. (SSF 1.0 §3.3; strict JSON sees to it)
    members = {name: member for name, member in said.items() if name != "format"}
    if not 0 < len(members) <= MAXIMUM_IDENTIFIERS:
        raise SubjectError("complex: a number of members that is none")
    return Complex({name: _simple(_object(member, name)) for name, member in members.items()})


def _object(value: object, where: str = "sub_id") -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SubjectError(f"{where}: not an object")
    return value


def _format(said: Mapping[str, Any]) -> str:
    # > the existing RISC implementation by Google uses the field name subject_type instead of the field name format
    # > (RISC 1.0) There, the names of formats have hyphens.
    name = said["format"] if "format" in said else str(said.get("subject_type", "")).replace("-", "_")
    if not isinstance(name, str) or not 0 < len(name) <= MAXIMUM_TEXT:
        raise SubjectError("format")
    return name


def _simple(said: Mapping[str, Any], *, may_nest: bool = True) -> Simple:
    name = _format(said)
    if name in _PLAIN:
        kind, members = _PLAIN[name]
        found: Simple = kind(*(_text(said, member) for member in members))
        _check(found)
        return found
    if name == "aliases":
        # > "aliases" Subject Identifiers MUST NOT be nested (RFC 9493 §3.2.8)
        if not may_nest:
            raise SubjectError("aliases: nested")
        return Aliases(tuple(_simple(_object(one, "aliases"), may_nest=False) for one in _several(said, "identifiers")))
    if name == "ip-addresses":
        return IpAddresses(tuple(_text({"": one}, "") for one in _several(said, "ip-addresses")))
    if name == "complex":
        raise SubjectError("complex: nested")
    return Foreign(name)


def _text(said: Mapping[str, Any], member: str) -> str:
    value = said.get(member)
    if not isinstance(value, str) or not 0 < len(value) <= MAXIMUM_TEXT:
        raise SubjectError(member or "ip-addresses")
    return value


def _several(said: Mapping[str, Any], member: str) -> list[Any]:
    value = said.get(member)
    if not isinstance(value, list) or not 0 < len(value) <= MAXIMUM_IDENTIFIERS:
        raise SubjectError(member)
    return value


def _check(found: Simple) -> None:
    match found:
        case Email(email) if not email_addresses.is_address(email):
            raise SubjectError("email")
        case Account(uri) if not _ACCOUNT.fullmatch(uri):
            raise SubjectError("uri")
        case PhoneNumber(number) if not _PHONE.fullmatch(number):
            raise SubjectError("phone_number")
        case Did(url) if not url.startswith("did:"):
            raise SubjectError("url")
        case Uri(uri) if not _URI.fullmatch(uri):
            raise SubjectError("uri")


def as_json(subject: Subject) -> dict[str, Any]:
    """The subject as a `sub_id`."""
    match subject:
        case Complex(members):
            return {"format": "complex", **{name: as_json(member) for name, member in members.items()}}
        case Aliases(identifiers):
            return {"format": "aliases", "identifiers": [as_json(one) for one in identifiers]}
        case IpAddresses(addresses):
            return {"format": "ip-addresses", "ip-addresses": list(addresses)}
        case Foreign(name):
            return {"format": name}
    name = _FORMAT_OF[type(subject)]
    return {"format": name, **{member: getattr(subject, member) for member in _PLAIN[name][1]}}


def simple_parts(subject: Subject) -> Iterator[tuple[str, Simple]]:
    """Each identifier by itself, with the member of a complex subject that it stands in ("" for a simple one)."""
    for name, member in subject.members.items() if isinstance(subject, Complex) else [("", subject)]:
        for one in member.identifiers if isinstance(member, Aliases) else (member,):
            yield name, one


def match(one: Subject, other: Subject) -> bool:
    """Whether two subjects match (SSF 1.0 §8.1.3.1): simple ones that are identical, complex ones that differ in no
    member that both have.
    """
    if isinstance(one, Complex) and isinstance(other, Complex):
        return all(other.members.get(name, member) == member for name, member in one.members.items())
    return one == other
