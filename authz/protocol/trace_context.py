"""The `traceparent` header (W3C Trace Context, §3.2), read strictly: what is not well-formed was never sent."""

import re
from dataclasses import dataclass

_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace_id>[0-9a-f]{32})-(?P<parent_id>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)


@dataclass(frozen=True, slots=True)
class TraceParent:
    """`trace_id` has 32 and `parent_id` 16 lower-case hexadecimal digits."""

    trace_id: str
    parent_id: str
    is_sampled: bool


def parse(header: str) -> TraceParent | None:
    """What a `traceparent` says, or None: then the request begins a trace of its own."""
    found = _TRACEPARENT.fullmatch(header)
    # > Version 255 is invalid. … If a higher version is detected, the implementation SHOULD try to parse it
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return None
    # > All bytes as zero is considered an invalid value.
    if not found["trace_id"].strip("0") or not found["parent_id"].strip("0"):
        return None
    return TraceParent(found["trace_id"], found["parent_id"], bool(int(found["flags"], 16) & 1))
