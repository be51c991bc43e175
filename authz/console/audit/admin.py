"""The audit explorer: search, filter, read one event, export what is shown. Nothing here can change an event."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from authz import audit
from authz.audit import queries
from authz.console.audit import saved_views
from authz.console.audit.call_filters import CallsFilter, LabelFilter, ToolFilter
from authz.console.audit.columns import AuditColumns, add_names
from authz.console.audit.event_page import facts
from authz.console.audit.export import export
from authz.console.audit.filters import (
    EventFilter,
    OutcomeFilter,
    PeriodFilter,
    ReasonFilter,
    RuleFilter,
    ServerFilter,
)
from authz.console.audit.search import (
    EXACT_WORDS,
    address_with,
    chosen_period,
    exact_filters,
    is_slow,
    latest_id,
    linked_bars,
    matching,
    parse_time,
    with_whole_times,
)
from authz.console.model_admin import ReadOnlyAdmin
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets import timeline
from authz.console.widgets.toolbar import Tool
from authz.evidence.status import is_sealed
from authz.models import AuditEvent

# The bars above the list show so many of its latest events.
TIMELINE = 2_000


@admin.register(AuditEvent, site=console)
class AuditAdmin(AuditColumns, ReadOnlyAdmin):
    place = Place("Operate", "Audit", "list", tab="Events", order=2)
    introduction = (
        "Everything that was asked, decided, issued and changed. Events are only added: the database refuses to change"
        " or remove one."
    )
    empty_text = "The first request writes the first event."
    change_list_template = "console/audit_list.html"
    change_form_template = "console/audit_event.html"
    list_display = ("at", "what", "agent", "acts_for", "server", "origin")
    list_display_links = ("what",)
    list_filter = (
        PeriodFilter, OutcomeFilter, EventFilter, ReasonFilter, ServerFilter, RuleFilter, CallsFilter, ToolFilter,
        LabelFilter,
    )  # fmt: skip
    search_fields = ("client_id",)
    search_help_text = "client:… person:… tool:… label:… reason:… authorization:… request_id:… or an exact id"
    sortable_by = ()
    ordering = ("-id",)
    # Exact filters that links from other pages use.
    EXACT = lookups = tuple(EXACT_WORDS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        events: QuerySet[AuditEvent] = super().get_queryset(request)
        # The same filters in the form that an index answers (authz/audit/queries.py).
        for column in queries.INDEXED.intersection(request.GET):
            events = events.exclude(**{column: ""})
        if moment := parse_time(request.GET.get("time__gte", "")):
            events = queries.since(moment, events)
        if moment := parse_time(request.GET.get("time__lt", "")):
            events = events.filter(id__lte=queries.first_id(moment + 2 * queries.DISORDER))
        if is_slow(request):
            events, _ = queries.window(latest_id(request), events)
        return events

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        return matching(queryset, search_term), False

    def tools(self, request: HttpRequest, obj: AuditEvent | None) -> Sequence[Tool]:
        if obj is None:
            query = request.GET.urlencode()
            export = reverse("admin:authz_auditevent_export", args=["csv"])
            lines = reverse("admin:authz_auditevent_export", args=["jsonl"])
            return (Tool("Export CSV", f"{export}?{query}"), Tool("Export JSON Lines", f"{lines}?{query}"))
        story = reverse("admin:story")
        links = (
            ("Event history of the authorization", "authorization", obj.authorization),
            ("Event history of the agent", "client_id", obj.client_id),
            ("Event history of the person", "subject", obj.subject if obj.subject != obj.client_id else ""),
        )
        tools = [Tool(title, f"{story}?{urlencode({key: value})}") for title, key, value in links if value]
        if "ask" in obj.detail or obj.event == audit.Event.TOKEN_ISSUED:
            tools.insert(0, Tool("Why?", reverse("admin:replay", args=[obj.pk])))
        if is_sealed(obj.pk):
            tools.append(Tool("Download proof", reverse("admin:authz_auditdestination_proof", args=[obj.pk])))
        return tuple(tools)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        with_whole_times(request)
        context = {"views": saved_views.views(request), "query": saved_views.shown_query(request)}
        response = super().changelist_view(request, context | (extra_context or {}))
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            changelist = response.context_data["cl"]
            add_names(changelist.result_list)
            moments = changelist.queryset.order_by("-id").values_list("time", "reason")[:TIMELINE]
            response.context_data |= {
                "exact": exact_filters(request, self.EXACT, changelist),
                "timeline": linked_bars(request, timeline.bars([(moment, bool(reason)) for moment, reason in moments])),
                "further": self._further(request),
                **chosen_period(request),
            }
        return response

    def _further(self, request: HttpRequest) -> dict[str, Any] | None:
        """Where a bounded search goes on; None if it is complete."""
        if not is_slow(request):
            return None
        _, before = queries.window(latest_id(request), AuditEvent.objects.all())
        if before is None:
            return None
        return {"since": before.time, "url": address_with(request, id__lte=str(before.pk)), "n": queries.WINDOW}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        event = self.get_object(request, object_id)
        context = {"event": event, "facts": facts(event) if event else [], **(extra_context or {})}
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
        return export(request, shown.get_queryset(request), form)
