"""What a command reads, for programs: the shapes of the management API (docs/api.md)."""

import json
from collections.abc import Sequence
from typing import Any


def as_json(items: Sequence[Any]) -> str:
    """A list as the API answers it; a command has no pages."""
    return json.dumps({"items": list(items), "next": None}, indent=2)
