"""What a reason of a refusal means to the person who reads the audit (pure)."""

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """What of an event has to be mended: one of the things that it is about, or what was decided."""

    AGENT = "agent"
    DOCUMENT = "document"
    PERSON = "person"
    SERVER = "server"
    RULES = "rules"
    STORY = "story"


@dataclass(frozen=True, slots=True)
class ListPage:
    """A list of the console in which the cause is mended: what it is called, and the name of its address."""

    words: str
    url_name: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`why`: what was wrong. `remedy`: what to do about it. `place`: where; None where it is not done here."""

    why: str
    remedy: str
    place: Place | ListPage | None = None
