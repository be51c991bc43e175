"""The events of the management API itself."""

from enum import StrEnum


class Event(StrEnum):
    REFUSED = "api:request:refused"
