"""What the management API records beside what the functions behind it do."""

from enum import StrEnum


class Event(StrEnum):
    REFUSED = "api:request:refused"
