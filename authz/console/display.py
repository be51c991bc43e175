"""How things look in lists: chips, times, and text that others wrote."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

STATUS_TONES = {"approved": "good", "pending": "caution", "suspended": "bad", "retired": ""}


def chip(text: str, tone: str = "") -> SafeString:
    return format_html('<span class="chip {}">{}</span>', tone, text)


def foreign(text: str, *, sub: str = "") -> SafeString:
    """Text that others chose: escaped, isolated from its neighbours' direction, and cut by CSS (attack 11)."""
    if not sub:
        return format_html('<bdi class="foreign">{}</bdi>', text)
    return format_html(
        '<bdi class="foreign">{}</bdi><span class="sub"><bdi class="foreign one-line">{}</bdi></span>', text, sub
    )


def code(text: str) -> SafeString:
    return format_html('<code><bdi class="foreign" dir="ltr">{}</bdi></code>', text)


def when(moment: datetime | None, *, never: str = "never", now: datetime | None = None) -> SafeString | str:
    """`3 h ago` or `in 2 d`, with the exact time in the tooltip and for machines."""
    if moment is None:
        return never
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        moment.isoformat(),
        f"{moment:%Y-%m-%d %H:%M:%S}",
        distance(moment - (now or timezone.now())),
    )


def distance(difference: timedelta) -> str:
    """`just now`, `5 min ago`, `in 3 h`, `12 d ago`."""
    seconds = int(difference.total_seconds())
    size = abs(seconds)
    if size < 60:
        return "just now"
    for unit, length, following in (("min", 60, 3600), ("h", 3600, 172_800), ("d", 86_400, 10**12)):
        if size < following:
            return f"in {size // length} {unit}" if seconds > 0 else f"{size // length} {unit} ago"
    raise AssertionError("the last unit has no end")
