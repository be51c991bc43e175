"""The events of the management API itself."""

from enum import StrEnum


class ApiEvent(StrEnum):
    REFUSED = "api:request:refused"
