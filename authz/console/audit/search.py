"""What the address and the search box of the audit's list ask for, and addresses of like lists."""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import or_

from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from authz.audit import calls, queries
from authz.console.widgets import names, timeline
from authz.models import AuditEvent, User
from authz.protocol.numbers import number
from authz.protocol.timestamps import parse_time as parse_time_in_zone

EXACT_WORDS = {
    "client_id": "Agent",
    "subject": "Person",
    "resource": "MCP server",
    "authorization": "Authorization",
    "reason": "Reason",
    "time__gte": "From",
    "time__lt": "Until",
    "detail__grant_type": "Grant",
    "tool": "Tool",
    "label": "Label",
    "rule": "Rule",
    "id__lte": "Up to event",
}


def parse_time(text: str) -> datetime | None:
    return parse_time_in_zone(text) or parse_time_in_zone(f"{text}Z") or parse_time_in_zone(f"{text}T00:00Z")


def with_whole_times(request: HttpRequest) -> None:
    """A date alone is its first moment in UTC: a form for dates sends no more."""
    asked = request.GET.copy()
    for name in ("time__gte", "time__lt"):
        given = str(asked.get(name, ""))
        if len(given) == len("2026-11-30") and (moment := parse_time(given)):
            asked[name] = moment.isoformat()
        elif name in asked and not given:
            del asked[name]
    request.GET = asked  # type: ignore[assignment]  # a copy that may still be changed


def latest_id(request: HttpRequest) -> int:
    """The event that a bounded search begins at: the one that the address names, or the newest."""
    given = request.GET.get("id__lte", "")
    if (found := number(given, most=2**62)) is not None:
        return found
    return AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0


def column_and_value(word: str) -> tuple[str, str]:
    """(column, value) of a word of a search; the column is "" for a bare id."""
    name, colon, value = word.partition(":")
    column = {"client": "client_id", "person": "subject"}.get(name, name)
    if column == "subject" and value and (known := User.objects.filter(username=value).first()):
        return column, str(known.subject)
    if colon and column in {*queries.INDEXED, "resource", "event", "request_id", "address", "tool", "label"}:
        return column, value
    return ("event", word) if word in queries.event_names() else ("", word)


def exact_filters(request: HttpRequest, names_of: Sequence[str], changelist: ChangeList) -> list[tuple[str, str, str]]:
    """What the address asks for and no filter above the list shows: (in words, value, the address without it)."""
    filters = {spec.parameter_name: spec for spec in changelist.filter_specs}  # type: ignore[attr-defined]
    asked = {key: str(value) for key, value in request.GET.items() if key in names_of and value}
    for key in ("reason", "resource", "tool", "label", "rule"):
        if key in asked and asked[key] in {str(value) for value, _ in filters[key].lookup_choices}:  # type: ignore[attr-defined]
            del asked[key]
    known = names.of_agents([asked.get("client_id", "")]) | names.of_people([asked.get("subject", "")])
    return [(EXACT_WORDS[key], known.get(value, value), address_without(request, key)) for key, value in asked.items()]


def address_with(request: HttpRequest, **changes: str) -> str:
    asked = request.GET.copy()
    for name, value in changes.items():
        asked[name] = value
    asked.pop("p", None)
    return "?" + asked.urlencode()


def linked_bars(request: HttpRequest, bars: Sequence[timeline.Bar]) -> list[tuple[timeline.Bar, str]]:
    return [(bar, address_with(request, time__gte=bar.begin.isoformat(), time__lt=bar.end.isoformat())) for bar in bars]


def chosen_period(request: HttpRequest) -> dict[str, object]:
    """For the form that asks for a period: its two dates, and what else the address asks for."""
    kept = [(key, value) for key, value in request.GET.items() if key not in {"time__gte", "time__lt", "period", "p"}]
    begin, end = (request.GET.get(name, "")[:10] for name in ("time__gte", "time__lt"))
    return {"kept": kept, "from": begin, "before": end}


def address_without(request: HttpRequest, key: str) -> str:
    remaining = request.GET.copy()
    remaining.pop(key, None)
    return "?" + remaining.urlencode()


def is_slow(request: HttpRequest) -> bool:
    """Whether no index can answer the search."""
    asked = {name for name, value in request.GET.items() if value}
    event = request.GET.get("event", "")
    for word in request.GET.get("q", "").split():
        column, value = column_and_value(word)
        if column == "event":
            event = value
        else:
            asked.add(column or "client_id")
    return queries.is_slow(asked, event)


def matching(events: QuerySet[AuditEvent], term: str) -> QuerySet[AuditEvent]:
    """The events that meet every word of a search. A word is exact; a word without a column is any id.

    Each word is answered by an index: the database never walks the table.
    """
    for word in term.split():
        column, value = column_and_value(word)
        if column in queries.INDEXED:
            events = queries.about(column, value, events)
        elif column == "event":
            events = queries.of_event(value, events)
        elif column == "tool":
            events = calls.of_tool(events, value)
        elif column == "label":
            events = calls.with_label(events, value)
        elif column:
            events = events.filter(**{column: value})
        else:
            # One look-up in each index says of what it is an id: OR over partial indexes would walk the table.
            known = [name for name in queries.IDS if queries.about(name, value).exists()]
            if len(known) == 1:
                events = queries.about(known[0], value, events)
            else:
                events = events.filter(reduce(or_, (Q(**{name: value}) for name in known), Q(pk__in=())))
    return events
