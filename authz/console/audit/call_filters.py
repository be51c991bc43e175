"""The filters of calls: decided here, reported or unusual, by tool, by label."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from authz.audit import calls
from authz.models import AuditEvent, ProtectedResource

# So many MCP servers and names stand in the filters; any other is found by typing `tool:…` or `label:…`.
SERVERS, NAMES = 50, 50


class CallsFilter(admin.SimpleListFilter):
    title = "calls"
    parameter_name = "calls"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (("all", "All calls"), ("decided", "Decided here"), ("reported", "Reported"), (calls.UNUSUAL, "Unusual"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return calls.made(queryset, self.value() or "") if self.value() else queryset


class _NameFilter(admin.SimpleListFilter):
    takes_any_value = True  # by a link, or of a tool that no MCP server lists

    def has_output(self) -> bool:
        return True


class ToolFilter(_NameFilter):
    title = "tool"
    parameter_name = "tool"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return _choices(tool["name"] for _, tools in _listed(request) for tool in tools if "*" not in tool["name"])

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return calls.of_tool(queryset, self.value() or "") if self.value() else queryset


class LabelFilter(_NameFilter):
    title = "label"
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        listed = _listed(request)
        of_tools = (label for _, tools in listed for tool in tools for label in tool.get("labels", ()))
        return _choices([*(label for labels, _ in listed for label in labels), *of_tools])

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return calls.with_label(queryset, self.value() or "") if self.value() else queryset


def _listed(request: Any) -> list[tuple[list[str], list[dict[str, Any]]]]:
    """The labels and tools of MCP servers that list tools: one query for the filters of a page."""
    if not hasattr(request, "listed_tools"):
        rows = ProtectedResource.objects.exclude(tools=[]).order_by("name")
        request.listed_tools = list(rows.values_list("labels", "tools")[:SERVERS])
    found: list[tuple[list[str], list[dict[str, Any]]]] = request.listed_tools
    return found


def _choices(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(set(names))[:NAMES]]
