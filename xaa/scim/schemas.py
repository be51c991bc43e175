"""The attributes that this server keeps of people and groups, as `/Schemas` says them (RFC 7643 §7). Pure.

It keeps what it needs to show who a person is and to find them again, and no more. What else RFC 7643 names is taken
and dropped (`Kind.dropped`): the usual mappings of directories send it, and would stop at a refusal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LONGEST = 255
MAXIMUM_VALUES = 50


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. `type` is string, boolean, dateTime, reference or complex (with `sub`)."""

    name: str
    type: str = "string"
    several: bool = False
    required: bool = False
    exact: bool = False
    mutability: str = "readWrite"
    returned: str = "default"
    unique: str = "none"
    about: str = ""
    refers: tuple[str, ...] = ()
    longest: int = LONGEST
    sub: tuple["Attribute", ...] = ()
    usual: Any = None  # what it is where a request leaves it out
    derived: bool = False  # the server says it, whatever is sent

    @property
    def is_ours(self) -> bool:
        return self.derived or self.mutability == "readOnly"

    def part(self, name: str) -> "Attribute | None":
        return next((one for one in self.sub if one.name.lower() == name.lower()), None)

    def described(self) -> dict[str, Any]:
        """As an item of `attributes` (RFC 7643 §7)."""
        found: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "multiValued": self.several,
            "description": self.about,
            "required": self.required,
            "mutability": self.mutability,
            "returned": self.returned,
        }
        if self.type == "complex":
            return found | {"subAttributes": [one.described() for one in self.sub]}
        found |= {"caseExact": self.exact, "uniqueness": self.unique}
        return found | ({"referenceTypes": list(self.refers)} if self.refers else {})


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource type: its schema, and the schemas that extend it."""

    name: str
    plural: str
    schema: str
    about: str
    attributes: tuple[Attribute, ...]
    extensions: Mapping[str, tuple[Attribute, ...]] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()

    def find(self, name: str, urn: str = "") -> Attribute | None:
        """The attribute of this name, in any case; None where this server keeps none such."""
        mine = self.attributes if not urn or urn.lower() == self.schema.lower() else self.extensions.get(urn, ())
        if not urn or urn.lower() == self.schema.lower():
            mine = (*COMMON, *mine)
        return next((one for one in mine if one.name.lower() == name.lower()), None)

    def urn(self, given: str) -> str | None:
        """The schema of this kind that is named so, in any case."""
        return next((urn for urn in (self.schema, *self.extensions) if urn.lower() == given.lower()), None)


META = Attribute(
    "meta",
    "complex",
    mutability="readOnly",
    about="What the server says of the resource.",
    sub=tuple(Attribute(name, mutability="readOnly", exact=True) for name in ("resourceType", "location", "version"))
    + tuple(Attribute(name, "dateTime", mutability="readOnly") for name in ("created", "lastModified")),
)
EXTERNAL_ID = Attribute("externalId", exact=True, about="The directory's own name of the resource.")
# > the "id" and "meta" attributes are common to all resources, and are not defined in a schema (RFC 7643 §3.1)
COMMON = (
    Attribute("schemas", several=True, exact=True, mutability="readOnly", returned="always"),
    Attribute("id", exact=True, mutability="readOnly", returned="always", unique="server"),
    EXTERNAL_ID,
    META,
)

KIND_OF_USER = Kind(
    "User",
    "Users",
    USER,
    "People",
    (
        Attribute(
            "userName", required=True, returned="always", unique="server", about="The person's name in the directory."
        ),
        Attribute(
            "name",
            "complex",
            about="The person's name in its parts.",
            sub=tuple(Attribute(name, about=name) for name in ("formatted", "familyName", "givenName")),
        ),
        Attribute("displayName", about="The name that is shown."),
        Attribute(
            "emails",
            "complex",
            several=True,
            about="Addresses. The primary one, or else the first, is the person's.",
            sub=(
                Attribute("value", about="The address."),
                Attribute("display", about="How it is shown."),
                Attribute("type", about="work, home or other."),
                Attribute("primary", "boolean", about="Whether it is the one to use."),
            ),
        ),
        # Required, so that it is not removed: a person without it would be neither here nor gone.
        Attribute(
            "active",
            "boolean",
            required=True,
            usual=True,
            about="False: the person may not be here, and all their access ends.",
        ),
        Attribute(
            "groups",
            "complex",
            several=True,
            mutability="readOnly",
            about="The groups of the directory that the person is in.",
            sub=(
                Attribute("value", mutability="readOnly", exact=True, about="The group's id."),
                Attribute(
                    "$ref", "reference", mutability="readOnly", exact=True, refers=("Group",), about="Its address."
                ),
                Attribute("display", mutability="readOnly", about="Its name."),
                Attribute("type", mutability="readOnly", about="direct."),
            ),
        ),
    ),
    {
        ENTERPRISE: tuple(
            Attribute(name, about=about)
            for name, about in (("employeeNumber", "The person's number."), ("department", "Their department."))
        )
    },
    frozenset(
        name.lower()
        for name in (
            *("nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone", "password"),
            *("phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509Certificates"),
            *("costCenter", "organization", "division", "manager"),
            *("name.middleName", "name.honorificPrefix", "name.honorificSuffix"),
        )
    ),
)

KIND_OF_GROUP = Kind(
    "Group",
    "Groups",
    GROUP,
    "Groups of people",
    (
        Attribute("displayName", required=True, unique="server", longest=150, about="The group's name."),
        Attribute(
            "members",
            "complex",
            several=True,
            about="The people in it.",
            sub=(
                Attribute("value", mutability="immutable", exact=True, about="The person's id."),
                Attribute(
                    "$ref",
                    "reference",
                    mutability="immutable",
                    derived=True,
                    exact=True,
                    refers=("User",),
                    about="Their address.",
                ),
            ),
        ),
    ),
    dropped=frozenset({"description"}),
)
KINDS = (KIND_OF_USER, KIND_OF_GROUP)
