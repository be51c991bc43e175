"""Names of attributes as requests write them: `[urn:]name[.sub]` (RFC 7644 §3.10). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xaa.scim.problems import ScimError
from xaa.scim.schemas import ENTERPRISE, Attribute, Kind


@dataclass(frozen=True, slots=True)
class Name:
    """An attribute, or a part of it. `urn` is that of an extension, "" for the kind's own schema."""

    urn: str
    name: str
    sub: str = ""


def read(text: str, kind: Kind) -> Name:
    """> attrPath = [URI ":"] ATTRNAME *1subAttr. Raises `ScimError`."""
    urn, rest = "", text
    if text[:4].lower() == "urn:":
        if (whole := kind.urn(text)) is not None:
            return Name("" if whole == kind.schema else whole, "")
        urn, rest = _split(text, kind)
    name, _, sub = rest.partition(".")
    if not name or "." in sub or (rest.endswith(".")):
        raise ScimError(400, "No name of an attribute.", "invalidPath")
    return Name(urn, name, sub)


def _split(text: str, kind: Kind) -> tuple[str, str]:
    """The schema, and what follows it. A schema that this server has not makes a name that no resource has: Entra sends
    attributes which an administrator there has mapped in the same request that says who has left.
    """
    for urn in (kind.schema, *kind.extensions):
        # Entra's older jobs write a dot.
        if text[: len(urn)].lower() == urn.lower() and text[len(urn)] in ":.":
            return ("" if urn == kind.schema else urn), text[len(urn) + 1 :]
    urn, _, rest = text.rpartition(":")
    return urn, rest


def attribute(name: Name, kind: Kind) -> tuple[Attribute, Attribute | None] | None:
    """What the name stands for: the attribute, and its part if it names one; None where there is none such."""
    found = kind.find(name.name, name.urn)
    if found is None:
        return None
    if not name.sub:
        return found, None
    part = found.part(name.sub)
    return None if part is None else (found, part)


def is_dropped(name: Name, kind: Kind) -> bool:
    """Whether it is an attribute that directories send and this server does not keep. Of another schema all are."""
    if name.urn and name.urn != ENTERPRISE:
        return True
    whole = f"{name.name}.{name.sub}" if name.sub else name.name
    return name.name.lower() in kind.dropped or whole.lower() in kind.dropped


def get(resource: dict[str, Any], name: str) -> Any:
    """A member by its name in any case; None if it is not there."""
    if name in resource:
        return resource[name]
    return next((value for key, value in resource.items() if key.lower() == name.lower()), None)


def names_schema(body: Mapping[str, Any], schema: str) -> bool:
    """Whether a message says that it is of this schema."""
    said = get(dict(body), "schemas")
    return isinstance(said, list) and schema.lower() in {one.lower() for one in said if isinstance(one, str)}
