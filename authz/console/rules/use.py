"""How often rules decide: in 30 days, and when last."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authz.audit import counts
from authz.models import EventCount, Rule

DAYS = 30


@dataclass(frozen=True, slots=True)
class Use:
    """`times` in the last 30 days; `last` is a day in UTC, "" for a rule that decided nothing since it is counted."""

    times: int = 0
    last: str = ""


def by_name(rows: Iterable[Rule]) -> dict[str, Use]:
    """By rule name; two queries however many rules there are."""
    names = [row.name for row in rows]
    slots = _slots()
    figures = counts.Figures(slots)
    times, last = figures.totals(counts.Dimension.RULE, names), counts.last_days(counts.Dimension.RULE, names)
    # What happened in the last minute is in no count yet.
    return {name: Use(n := times.get(name, 0), last.get(name, slots[0] if n else "")) for name in names}


def times_of(name: str) -> Coalesce:
    """To sort by: the times in a query, of the rule whose name the field `name` has; the last minute not counted."""
    rows = EventCount.objects.filter(dimension=counts.Dimension.RULE, slot__in=_slots(), value=OuterRef(name))
    return Coalesce(Subquery(rows.order_by().values("value").annotate(total=Sum("n")).values("total")), 0)


def _slots() -> list[str]:
    today = datetime.now(UTC)
    return [counts.slot(today - timedelta(days=n), counts.DAY) for n in range(DAYS)]


def in_words(use: Use) -> SafeString:
    if not use.last:
        return format_html('<span class="soft">{}</span>', "never")
    tone = "" if use.times else "soft"
    return format_html('<span class="{}">{}</span><span class="sub">last {}</span>', tone, f"{use.times:,}", use.last)
