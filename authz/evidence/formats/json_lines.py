"""JSON Lines: the event as it was sealed, with its place in the tree."""

import json
from collections.abc import Mapping
from typing import Any

MEDIA_TYPE = "application/x-ndjson"


def line(index: int, event: Mapping[str, Any]) -> str:
    # A newline inside a value is escaped, so a line is an event (attack 32).
    return json.dumps({"index": index, **event}, separators=(",", ":"), ensure_ascii=True)
