"""`manage.py audit events`: events by whatever is at hand, as the API finds them (authz/audit/listing.py)."""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError

from authz.audit import listing, periods
from authz.audit.headlines import headline
from authz.management import lookups
from authz.management.as_json import as_json
from authz.models import AuditEvent, User

MOST = 10_000
# (option, filter, what it says)
BY = (
    ("--client", "client_id", "of this agent, by its client_id (the URL of a metadata document, too)"),
    ("--resource", "resource", "about this MCP server, by its URI"),
    ("--jti", "jti", "of the token, or the assertion, with this jti"),
    ("--authorization", "authorization", "under this authorization"),
    (
        "--request",
        "request_id",
        "of one request: the reference of an error page, an X-Request-Id, a log line's request_id",
    ),
    ("--rule", "rule", "decided by this rule, by its name at that time"),
    ("--event", "event", "of this name, such as token:access:issued"),
    ("--reason", "reason", "refused for this reason, such as scope_unknown"),
    ("--address", "address", "from this IP address"),
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = "Events, the newest first. What several options say holds together."
    for option, name, told in BY:
        parser.add_argument(option, dest=f"by_{name}", metavar="TEXT", help=told)
    parser.add_argument("--user", metavar="NAME", help="of this person, by user name or address of mail")
    told = "a time (ISO 8601, UTC where it has no zone), a day, or a period such as yesterday or 'last week'"
    parser.add_argument("--from", dest="since", metavar="TIME", help=told)
    parser.add_argument("--to", dest="until", metavar="TIME", help="up to this time, or the end of this day or period")
    parser.add_argument("--limit", type=lookups.whole(1), default=50, help="so many at the most (50)")
    parser.add_argument("--json", action="store_true", help="as the API answers, for programs")


def lines(options: dict[str, Any]) -> Iterator[str]:
    """What the command prints. Raises `CommandError`."""
    now = datetime.now(UTC)
    since, ends = _period("--from", options["since"], now)
    until = _period("--to", options["until"], now)[1] if options["until"] else None
    if ends is not None and not options["until"] and _is_a_period(options["since"]):
        until = ends
    found = list(_all(_filters(options), since, until, min(options["limit"], MOST)))
    if options["json"]:
        yield as_json([listing.event_as_item(event) for event in found])
        return
    names = _names(found)
    for event in found:
        yield _line(event, names)
    if not found:
        yield "No event fits."


def _filters(options: dict[str, Any]) -> dict[str, str]:
    filters = {name: options[f"by_{name}"].strip() for _, name, _ in BY if options[f"by_{name}"]}
    # As it stands in an error answer (docs/decisions/0087-a-reference-in-error-answers.md).
    if "request_id" in filters:
        filters["request_id"] = filters["request_id"].rpartition("=")[2].lower()
    if options["user"]:
        subjects = listing.subjects_of(options["user"])
        if not subjects:
            raise CommandError(f"No person has the user name or the address {options['user']!r}.")
        if len(subjects) > 1:
            raise CommandError(f"Several people have the address {options['user']!r}: give a user name.")
        filters["subject"] = subjects[0]
    return filters


def _period(option: str, text: str | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    if not text:
        return None, None
    found = periods.meant(text, now)
    if found is None:
        words = ", ".join(words.lower() for _, words in periods.PERIODS)
        raise CommandError(
            f"{option}: {text!r} is no time, such as 2026-11-23T12:00Z or 2026-11-23, and none of {words}."
        )
    return found


def _is_a_period(text: str) -> bool:
    """Whether a start names its end, too: yesterday, or a day. A moment only begins."""
    return ":" not in text and not text.replace(".", "").isdecimal()


def _all(filters: dict[str, str], since: datetime | None, until: datetime | None, most: int) -> Iterator[AuditEvent]:
    below = None
    while most > 0:
        page = listing.page(filters, since=since, until=until, below=below, size=most)
        yield from page.events
        most, below = most - len(page.events), page.next
        if below is None:
            return


def _names(events: list[AuditEvent]) -> dict[str, str]:
    subjects = {event.subject for event in events if event.subject and event.subject != event.client_id}
    rows = User.all_objects.filter(subject__in=[one for one in subjects if len(one) == 36])
    return {str(subject): username for subject, username in rows.values_list("subject", "username")}


def _line(event: AuditEvent, names: dict[str, str]) -> str:
    person = event.subject if event.subject != event.client_id else ""
    detail = event.detail
    parts = [
        str(event.pk),
        f"{event.time.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z",
        headline(event.event) + (f" ({event.reason})" if event.reason else ""),
        f"agent {event.client_id}" if event.client_id else "",
        f"for {names.get(person, person)}" if person else "",
        f"at {event.resource}" if event.resource else "",
        str(detail.get("scope") or detail.get("tool") or detail.get("detail") or ""),
        f"by {detail['by']}" if detail.get("by") else "",
    ]
    return "  ".join(part for part in parts if part)
