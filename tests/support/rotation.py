"""Of two independent dimensions of input, each kind of each is tried, not each pair (docs/decisions/0080)."""

from collections.abc import Sequence
from typing import TypeVar

from django.conf import settings

T = TypeVar("T")


def part(items: Sequence[T], turn: int, of: int) -> Sequence[T]:
    """Each `of`-th item, another one each turn. PostgreSQL's run takes others than SQLite's."""
    return items[(turn + (not settings.IS_SQLITE)) % of :: of]
