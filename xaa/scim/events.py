"""What directories do, for the audit (docs/audit.md)."""

from enum import StrEnum


class ScimEvent(StrEnum):
    PERSON_CREATED = "directory:person:created"
    PERSON_CHANGED = "directory:person:changed"
    PERSON_REMOVED = "directory:person:removed"
    GROUP_CREATED = "directory:group:created"
    GROUP_CHANGED = "directory:group:changed"
    GROUP_REMOVED = "directory:group:removed"
    TOKEN_MADE = "directory:token:made"  # noqa: S105  not a secret
    TOKEN_WITHDRAWN = "directory:token:withdrawn"  # noqa: S105
    REFUSED = "directory:request:refused"
