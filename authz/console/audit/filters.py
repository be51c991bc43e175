"""The filters beside the list of audit events."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from authz.audit import listing, periods, queries
from authz.models import AuditEvent, ProtectedResource, Rule

# So many MCP servers and rules stand in the filters. Any other server is found by typing `resource:…`, a rule from its
# own page.
SERVERS = 50
RULES = 50


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
        return periods.PERIODS

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        found = periods.bounds(self.value() or "", datetime.now(UTC))
        if found is None:
            return queryset
        begin, end = found
        events = queries.since(begin, queryset)
        return events if end is None else queries.before(end, events)


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


class RuleFilter(admin.SimpleListFilter):
    """Which tokens did this rule allow? By its name, as the decision recorded it."""

    title = "rule"
    parameter_name = "rule"
    takes_any_value = True  # by a link from the rule's page, or of a rule that is gone

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        names = Rule.objects.order_by("name").values_list("name", flat=True)[:RULES]
        return [(name, name) for name in names]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return listing.by_rule(queryset, self.value() or "") if self.value() else queryset
