"""The events about extensions. What an extension itself reports has its id before the name (`own_event`)."""

from enum import StrEnum


class OwnEvent:
    """An event that an extension reports, `<id>:<name>`: no event of the server has a slash."""

    def __init__(self, identifier: str, name: str) -> None:
        self.value = f"{identifier}:{name}"


class ExtensionEvent(StrEnum):
    FAILED = "extension:call:failed"
