"""The events about extensions. What an extension itself reports has its id before the name (`own_event`)."""

from enum import StrEnum


class ExtensionEvent(StrEnum):
    FAILED = "extension:call:failed"
