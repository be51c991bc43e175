"""How a directory is: its last contact, its people and groups, its tokens; for console, command and `doctor`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authz.conf import conf
from xaa.models import Directory, DirectoryToken


@dataclass(frozen=True, slots=True)
class State:
    """`tokens` are those that are good now."""

    directory: Directory
    last: datetime | None
    failed: datetime | None
    failure: str
    people: int
    inactive: int
    groups: int
    tokens: tuple[DirectoryToken, ...]

    def as_item(self) -> dict[str, Any]:
        return {
            "name": self.directory.name,
            "issuer": self.directory.issuer.issuer if self.directory.issuer is not None else None,
            "enabled": self.directory.enabled,
            "last_contact": self.last.isoformat() if self.last else None,
            "last_error": {"at": self.failed.isoformat(), "what": self.failure} if self.failed else None,
            "people": self.people,
            "inactive": self.inactive,
            "groups": self.groups,
            "tokens": [{"number": row.pk, "expires": row.expires.isoformat(), "by": row.by} for row in self.tokens],
        }

    def lines(self) -> Iterator[str]:
        of = self.directory.issuer.issuer if self.directory.issuer is not None else "no issuer"
        yield f"{self.directory.name} ({of}){'' if self.directory.enabled else ', switched off'}"
        yield f"  last contact  {self.last:%Y-%m-%d %H:%M} UTC" if self.last else "  last contact  never"
        if self.failed:
            yield f"  last error    {self.failed:%Y-%m-%d %H:%M} UTC: {self.failure}"
        yield f"  people        {self.people}, of them {self.inactive} inactive"
        yield f"  groups        {self.groups}"
        for row in self.tokens:
            yield f"  token {row.pk}       until {row.expires:%Y-%m-%d}, made by {row.by}"


def of(directory: Directory, now: datetime) -> State:
    contact = getattr(directory, "contact", None)
    people = directory.people.filter(gone=None)
    return State(
        directory,
        contact.last if contact else None,
        contact.failed if contact else None,
        contact.failure if contact else "",
        people.count(),
        people.filter(active=False).count(),
        directory.said_groups.count(),
        tuple(directory.tokens.filter(withdrawn=None, expires__gt=now)),
    )


def address() -> str:
    """What to enter in the directory."""
    return conf.endpoint("scim/v2")
