"""The audit explorer: search, filter, read one event, export what is shown. Nothing here can change an event."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authz import audit
from authz.audit import queries
from authz.audit.console_events import Event
from authz.console.audit import saved_views
from authz.console.model_admin import ReadOnlyAdmin, Tool, person
from authz.console.site import console
from authz.console.widgets import exports, names, timeline
from authz.console.widgets.display import chip
from authz.evidence.status import is_sealed
from authz.models import AuditEvent, ProtectedResource, User
from authz.protocol.numbers import number
from authz.protocol.timestamps import moment as moment_in

PERIODS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
EXPORT_LIMIT = 50_000
# What the longer grant types begin with.
GRANT_PREFIX = "urn:ietf:params:oauth:grant-type:"
# So many MCP servers stand in the filter; any other is found by typing `resource:…`.
SERVERS = 50
EXACT_WORDS = {
    "client_id": "Agent",
    "subject": "Person",
    "resource": "MCP server",
    "authorization": "Authorization",
    "reason": "Reason",
    "time__gte": "From",
    "time__lt": "Until",
    "detail__grant_type": "Grant",
    "id__lte": "Up to event",
}
# Of a list, the latest so many stand in the bars above it.
TIMELINE = 2_000
COLUMNS = (
    "id",
    "time",
    "event",
    "reason",
    "client_id",
    "subject",
    "resource",
    "authorization",
    "address",
    "request_id",
    "detail",
)


class EventFilter(admin.SimpleListFilter):
    title = "event"
    parameter_name = "event"
    takes_any_value = True  # by a link from another page

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(event, event) for event in queries.event_names()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queries.of_event(self.value() or "", queryset) if self.value() else queryset


class PeriodFilter(admin.SimpleListFilter):
    title = "period"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (("1h", "Last hour"), ("24h", "Last 24 hours"), ("7d", "Last 7 days"), ("30d", "Last 30 days"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        length = PERIODS.get(self.value() or "")
        return queries.since(datetime.now(UTC) - length, queryset) if length else queryset


class OutcomeFilter(admin.SimpleListFilter):
    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (("refused", "Refused"), ("done", "Done"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        if self.value() == "refused":
            return queries.refused(queryset)
        return queryset.filter(reason="") if self.value() == "done" else queryset


class ReasonFilter(admin.SimpleListFilter):
    title = "reason"
    parameter_name = "reason"
    takes_any_value = True  # by a link from another page

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(reason, reason.replace("_", " ")) for reason in queries.reasons()]

    def has_output(self) -> bool:
        # Django would leave out a filter without choices, and with it what the address asks for.
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queries.about("reason", self.value() or "", queryset) if self.value() else queryset


class ServerFilter(admin.SimpleListFilter):
    title = "MCP server"
    parameter_name = "resource"
    takes_any_value = True  # by a link from another page

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return list(ProtectedResource.objects.order_by("name").values_list("identifier", "name")[:SERVERS])

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset.filter(resource=self.value()) if self.value() else queryset


@admin.register(AuditEvent, site=console)
class AuditAdmin(ReadOnlyAdmin):
    nav = ("Evidence", "list")
    introduction = (
        "Everything that was asked, decided, issued and changed. Rows are only ever added; the database itself refuses"
        " anything else."
    )
    empty_text = "The first event is written with the first request."
    change_list_template = "console/audit_list.html"
    change_form_template = "console/audit_event.html"
    list_display = ("at", "what", "agent", "for_whom", "server", "origin")
    list_display_links = ("what",)
    list_filter = (PeriodFilter, OutcomeFilter, EventFilter, ReasonFilter, ServerFilter)
    search_fields = ("client_id",)
    search_help_text = "client:… person:… reason:… authorization:… request_id:… or an exact id"
    sortable_by = ()
    ordering = ("-id",)
    # Exact filters that links from other pages use.
    EXACT = lookups = tuple(EXACT_WORDS)

    @admin.display(description="time (UTC)")
    def at(self, event: AuditEvent) -> SafeString:
        return format_html('<time datetime="{}">{}</time>', event.time.isoformat(), f"{event.time:%Y-%m-%d %H:%M:%S}")

    @admin.display(description="event")
    def what(self, event: AuditEvent) -> SafeString:
        reason = format_html(" {}", chip(event.reason.replace("_", " "), "bad")) if event.reason else ""
        return format_html('{}{}<span class="sub">{}</span>', event.event, reason, _in_short(event))

    @admin.display(description="agent")
    def agent(self, event: Any) -> SafeString | str:
        return _named(event.client_id, event.agent_name)

    @admin.display(description="person")
    def for_whom(self, event: Any) -> SafeString | str:
        return _named(event.subject if event.subject != event.client_id else "", event.person_name)

    @admin.display(description="MCP server")
    def server(self, event: Any) -> SafeString | str:
        return _named(event.resource, event.server_name)

    @admin.display(description="from")
    def origin(self, event: AuditEvent) -> str:
        return event.address or "—"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        events: QuerySet[AuditEvent] = super().get_queryset(request)
        # What Django then filters by, said in the way that finds an index (authz/audit/queries.py).
        for column in queries.INDEXED.intersection(request.GET):
            events = events.exclude(**{column: ""})
        if moment := _parse_time(request.GET.get("time__gte", "")):
            events = queries.since(moment, events)
        if moment := _parse_time(request.GET.get("time__lt", "")):
            events = events.filter(id__lte=queries.first_id(moment + 2 * queries.DISORDER))
        if self._is_slow(request):
            events, _ = queries.window(_latest(request), events)
        return events

    @staticmethod
    def _is_slow(request: HttpRequest) -> bool:
        """Whether the search has nothing that an index finds it by."""
        asked = {name for name, value in request.GET.items() if value}
        event = request.GET.get("event", "")
        for word in request.GET.get("q", "").split():
            column, value = _term(word)
            if column == "event":
                event = value
            else:
                asked.add(column or "client_id")
        return queries.is_slow(asked, event)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Words are exact and met together; a bare word is any id. Nothing here makes the database walk the table."""
        for word in search_term.split():
            column, value = _term(word)
            if column in queries.INDEXED:
                queryset = queries.about(column, value, queryset)
            elif column == "event":
                queryset = queries.of_event(value, queryset)
            elif column:
                queryset = queryset.filter(**{column: value})
            else:
                # One look-up in each index says of what it is an id: OR over partial indexes would walk the table.
                known = [name for name in queries.IDS if queries.about(name, value).exists()]
                if len(known) == 1:
                    queryset = queries.about(known[0], value, queryset)
                else:
                    queryset = queryset.filter(reduce(or_, (Q(**{name: value}) for name in known), Q(pk__in=())))
        return queryset, False

    def tools(self, request: HttpRequest, obj: AuditEvent | None) -> Sequence[Tool]:
        if obj is None:
            query = request.GET.urlencode()
            export = reverse("admin:authz_auditevent_export", args=["csv"])
            lines = reverse("admin:authz_auditevent_export", args=["jsonl"])
            return (Tool("Export CSV", f"{export}?{query}"), Tool("Export JSON Lines", f"{lines}?{query}"))
        story = reverse("admin:story")
        links = (
            ("The whole story", "authorization", obj.authorization),
            ("The agent's story", "client_id", obj.client_id),
            ("The person's story", "subject", obj.subject if obj.subject != obj.client_id else ""),
        )
        tools = [Tool(title, f"{story}?{urlencode({key: value})}") for title, key, value in links if value]
        if "ask" in obj.detail or obj.event == audit.Event.TOKEN_ISSUED:
            tools.insert(0, Tool("Why?", reverse("admin:replay", args=[obj.pk])))
        if is_sealed(obj.pk):
            tools.append(Tool("Download proof", reverse("admin:authz_auditdestination_proof", args=[obj.pk])))
        return tuple(tools)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        context = {"views": saved_views.views(request), "query": saved_views.shown_query(request)}
        response = super().changelist_view(request, context | (extra_context or {}))
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            changelist = response.context_data["cl"]
            _name(changelist.result_list)
            moments = changelist.queryset.order_by("-id").values_list("time", "reason")[:TIMELINE]
            response.context_data |= {
                "exact": _exact(request, self.EXACT, changelist),
                "timeline": _linked(request, timeline.bars([(moment, bool(reason)) for moment, reason in moments])),
                "further": self._further(request),
            }
        return response

    def _further(self, request: HttpRequest) -> dict[str, Any] | None:
        """Where the search goes on, if it has not looked through everything."""
        if not self._is_slow(request):
            return None
        _, before = queries.window(_latest(request), AuditEvent.objects.all())
        if before is None:
            return None
        return {"since": before.time, "url": _with(request, id__lte=str(before.pk)), "n": queries.WINDOW}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        event = self.get_object(request, object_id)
        facts: list[Fact] = _facts(event) if event else []
        context = {"event": event, "facts": facts, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    # Django asks for a history of changes; there are none.
    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        raise PermissionDenied

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("export.<str:form>", wrap(self.export_view), name="authz_auditevent_export"),
            path("views/", wrap(saved_views.save), name="authz_auditevent_save_view"),
            path("views/<int:pk>/forget/", wrap(saved_views.forget), name="authz_auditevent_forget_view"),
            *super().get_urls(),
        ]

    def export_view(self, request: HttpRequest, form: str) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if form not in ("csv", "jsonl"):
            raise Http404
        shown: ChangeList = self.get_changelist_instance(request)
        queryset = shown.get_queryset(request).order_by("-id")[:EXPORT_LIMIT]
        rows: Iterator[tuple[object, ...]] = (
            (*event[:-1], json.dumps(event[-1], sort_keys=True))
            for event in queryset.values_list(*COLUMNS).iterator(2000)
        )
        audit.record(
            Event.AUDIT_EXPORTED,
            subject=str(person(request).subject),
            detail={
                "by": request.user.get_username(),
                "form": form,
                "query": request.GET.urlencode()[:2000],
                "at_most": EXPORT_LIMIT,
            },
        )
        if form == "jsonl":
            response = StreamingHttpResponse(exports.json_lines(COLUMNS, rows), content_type="application/x-ndjson")
        else:
            response = StreamingHttpResponse(exports.csv_lines(COLUMNS, rows), content_type="text/csv; charset=utf-8")
        extension = "jsonl" if form == "jsonl" else "csv"
        response["Content-Disposition"] = (
            f'attachment; filename="gatehouse-audit-{datetime.now(UTC):%Y%m%d-%H%M%S}.{extension}"'
        )
        return response


def _parse_time(text: str) -> datetime | None:
    return moment_in(text) or moment_in(f"{text}Z") or moment_in(f"{text}T00:00Z")


def _latest(request: HttpRequest) -> int:
    """The event that a bounded search begins at: the one that the address names, or the newest."""
    given = request.GET.get("id__lte", "")
    if (found := number(given, most=2**62)) is not None:
        return found
    return AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0


def _term(word: str) -> tuple[str, str]:
    """(column, value) of a word of a search; the column is "" for a bare id."""
    name, colon, value = word.partition(":")
    column = {"client": "client_id", "person": "subject"}.get(name, name)
    if column == "subject" and value and (known := User.objects.filter(username=value).first()):
        return column, str(known.subject)
    if colon and column in {*queries.INDEXED, "resource", "event", "request_id", "address"}:
        return column, value
    return ("event", word) if word in queries.event_names() else ("", word)


def _exact(request: HttpRequest, names_of: Sequence[str], changelist: ChangeList) -> list[tuple[str, str, str]]:
    """What the address asks for and no filter above the list shows: (in words, value, the address without it)."""
    filters = {spec.parameter_name: spec for spec in changelist.filter_specs}  # type: ignore[attr-defined]
    asked = {key: str(value) for key, value in request.GET.items() if key in names_of and value}
    for key in ("reason", "resource"):
        if key in asked and asked[key] in {str(value) for value, _ in filters[key].lookup_choices}:  # type: ignore[attr-defined]
            del asked[key]
    known = names.of_agents([asked.get("client_id", "")]) | names.of_people([asked.get("subject", "")])
    return [(EXACT_WORDS[key], known.get(value, value), _without(request, key)) for key, value in asked.items()]


def _name(events: Sequence[Any]) -> None:
    """Give the rows of a page the names of what they are about."""
    agents = names.of_agents(event.client_id for event in events)
    people = names.of_people(event.subject for event in events)
    servers = names.of_servers(event.resource for event in events)
    for event in events:
        event.agent_name = agents.get(event.client_id, "")
        event.person_name = people.get(event.subject, "")
        event.server_name = servers.get(event.resource, "")


def _named(value: str, name: str) -> SafeString | str:
    """What people call it; what it is stands in the tooltip."""
    if not value:
        return "—"
    return format_html('<bdi class="foreign" title="{}">{}</bdi>', value, name or value)


def _in_short(event: AuditEvent) -> SafeString:
    """By which grant, which scopes; or what was changed, and who did it."""
    detail = event.detail
    told = [detail.get(key) for key in ("grant_type", "scope", "kind", "name", "by")]
    parts = [value.removeprefix(GRANT_PREFIX) for value in told if isinstance(value, str) and value]
    return format_html('<bdi class="foreign one-line">{}</bdi>', " · ".join(parts[:3]))


def _with(request: HttpRequest, **changes: str) -> str:
    asked = request.GET.copy()
    for name, value in changes.items():
        asked[name] = value
    asked.pop("p", None)
    return "?" + asked.urlencode()


def _linked(request: HttpRequest, bars: Sequence[timeline.Bar]) -> list[tuple[timeline.Bar, str]]:
    return [(bar, _with(request, time__gte=bar.begin.isoformat(), time__lt=bar.end.isoformat())) for bar in bars]


def _without(request: HttpRequest, key: str) -> str:
    remaining = request.GET.copy()
    remaining.pop(key, None)
    return "?" + remaining.urlencode()


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of an event's page. `called` is what people call it, `like` a query that lists its like."""

    title: str
    value: str
    called: str = ""
    like: str = ""


def _facts(event: AuditEvent) -> list[Fact]:
    """What an event says, without what is empty."""
    agents, people = names.of_agents([event.client_id]), names.of_people([event.subject])
    servers = names.of_servers([event.resource])
    found = [Fact("Event", event.event, like=urlencode({"event": event.event}))]
    for field, called in (
        ("reason", {}), ("client_id", agents), ("subject", people), ("resource", servers), ("authorization", {})
    ):  # fmt: skip
        if value := getattr(event, field):
            # What tells a name apart from others stands beside it anyway.
            name = called.get(value, "").removesuffix(f" ({value})")
            found.append(Fact(EXACT_WORDS[field], value, name, urlencode({field: value})))
    found += [Fact(title, value) for title, value in (("From", event.address), ("Request", event.request_id)) if value]
    found += [Fact(_title(key), _readable(value)) for key, value in event.detail.items()]
    return found


def _title(key: str) -> str:
    """`grant_type` → `Grant type`; what others named stays as they wrote it."""
    return key.replace("_", " ").capitalize() if key.isascii() and key.islower() else key


def _readable(value: object) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
