"""Whether something matches: yes, no, or not established."""

from enum import Enum


class Match(Enum):
    YES = "yes"
    NO = "no"
    NOT_ESTABLISHED = "not established"


YES, NO, NOT_ESTABLISHED = Match.YES, Match.NO, Match.NOT_ESTABLISHED


def all_of(found: list[tuple[str, Match]]) -> Match:
    """NO if any is NO, or else NOT_ESTABLISHED if any is, or else YES."""
    result = YES
    for _, verdict in found:
        if verdict is NO:
            return NO
        if verdict is NOT_ESTABLISHED:
            result = NOT_ESTABLISHED
    return result
