"""Lists that stay fast however long they are."""

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

CAP = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # Paginator is not generic at run time
    """Counts no further than `CAP`: a list of a million rows shows `10000+` instead of counting them each time."""

    @cached_property
    def count(self) -> int:
        # The key alone: what else a row is annotated with is looked up for the page that is shown.
        rows: Any = self.object_list
        return min(int(rows.order_by().values("pk")[: CAP + 1].count()), CAP)

    @property
    def is_capped(self) -> bool:
        return self.count >= CAP
