"""How things look in lists: chips, times, and text that others wrote."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

STATUS_TONES = {"approved": "good", "pending": "caution", "suspended": "bad", "retired": ""}
# What the protocol's names mean, for those who tick them.
GRANT_WORDS = {
    "authorization_code": "signs people in",
    "refresh_token": "goes on without asking again",
    "client_credentials": "machine to machine",
    "urn:ietf:params:oauth:grant-type:token-exchange": "turns a sign-in into an ID-JAG",
    "urn:ietf:params:oauth:grant-type:jwt-bearer": "redeems an ID-JAG, or a workload's assertion",
}
# The colour of a grant in every chart (console.css: --c1 to --c6). Grants that are not named here share the last one.
GRANT_COLOURS = {
    "authorization_code": 1,
    "refresh_token": 2,
    "client_credentials": 3,
    "urn:ietf:params:oauth:grant-type:jwt-bearer": 4,
    "urn:ietf:params:oauth:grant-type:token-exchange": 5,
}
OTHER_COLOUR = 6
METHOD_WORDS = {
    "none": "a program on people's own devices",
    "client_secret_basic": "a secret, in the header",
    "client_secret_post": "a secret, in the body",
    "private_key_jwt": "a key of its own",
}


def grant_label(name: str) -> SafeString | str:
    if name not in GRANT_WORDS:
        return name
    return format_html(
        '<span class="choice"><code title="{}">{}</code><span class="soft small">{}</span></span>',
        name,
        name.rpartition(":")[2],
        GRANT_WORDS[name],
    )


def grant_colour(name: str) -> int:
    return GRANT_COLOURS.get(name, OTHER_COLOUR)


def grant_choice(name: str) -> str:
    """The same where there is room for a line of text only."""
    return f"{name.rpartition(':')[2]}: {GRANT_WORDS[name]}" if name in GRANT_WORDS else name


def scope_label(name: str, description: str, sensitivity: str) -> SafeString:
    risk = (
        "" if sensitivity in {"", "low"} else chip(f"{sensitivity} risk", "bad" if sensitivity == "high" else "caution")
    )
    return format_html(
        '<span class="choice"><span><code><bdi>{}</bdi></code> {}</span><bdi class="soft small">{}</bdi></span>',
        name,
        risk,
        description,
    )


def server_label(identifier: str, name: str, behind: str = "") -> SafeString | str:
    if not name and not behind:
        return identifier
    return format_html(
        '<span class="choice"><bdi>{}</bdi><span class="soft small"><bdi>{}</bdi> <bdi>{}</bdi></span></span>',
        name or identifier,
        identifier if name else "",
        behind,
    )


def method_label(name: str) -> str:
    return f"{name}: {METHOD_WORDS[name]}" if name in METHOD_WORDS else name


def chip(text: str, tone: str = "", told: str = "") -> SafeString:
    """A word in a colour; what it means stands in the tooltip."""
    if told:
        return format_html('<span class="chip {}" title="{}">{}</span>', tone, told, text)
    return format_html('<span class="chip {}">{}</span>', tone, text)


def count(number: int) -> SafeString | str:
    """A number in a list; a zero is grey."""
    return format_html('<span class="zero">{}</span>', 0) if number == 0 else str(number)


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
