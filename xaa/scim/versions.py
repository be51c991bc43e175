"""`meta`, and the entity tags that it carries (RFC 7644 §3.14)."""

from datetime import UTC

from authz.conf import conf
from xaa.models import DirectoryGroup, DirectoryPerson
from xaa.scim.problems import ScimError
from xaa.scim.reasons import ScimReason
from xaa.scim.schemas import Kind


def location(row: DirectoryPerson | DirectoryGroup, kind: Kind) -> str:
    return conf.endpoint(f"scim/v2/{kind.plural}/{row.pk}")


def tag(row: DirectoryPerson | DirectoryGroup) -> str:
    return f'W/"{row.version}"'


def meta(row: DirectoryPerson | DirectoryGroup, kind: Kind) -> dict[str, str]:
    moments = {"created": row.created, "lastModified": row.modified}
    return {
        "resourceType": kind.name,
        **{name: at.astimezone(UTC).isoformat().replace("+00:00", "Z") for name, at in moments.items()},
        "location": location(row, kind),
        "version": tag(row),
    }


def check(if_match: str | None, row: DirectoryPerson | DirectoryGroup) -> None:
    """Raises `ScimError` (412) if the resource is not the one that the request's author has read."""
    if if_match is not None and not is_among(if_match, row):
        raise ScimError(412, "The resource has changed since it was read.", reason=ScimReason.CHANGED)


def is_among(header: str, row: DirectoryPerson | DirectoryGroup) -> bool:
    mine = tag(row)
    named = {one.strip() for one in header.split(",")}
    return "*" in named or mine in named or mine.removeprefix("W/") in named
