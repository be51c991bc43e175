"""The console's list and page of metadata documents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from authz.console.lists import row_or_404
from authz.console.model_admin import ReadOnlyAdmin, end_access_tools
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets.display import STATUS_TONES, chip, foreign, when
from authz.console.widgets.tasks import MAX_TASKS, Task, many
from authz.console.widgets.toolbar import Tool
from authz.models import Client
from authz.sign_in.roles import APPROVE_AGENTS
from cimd.admin import pages
from cimd.admin.pages import all_documents, is_waiting
from cimd.admin.readable import difference, notes, problem, readable
from cimd.models import Document


class WaitingFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (
            ("waiting", "Waits for an approval"),
            ("changed", "Changed, and waits"),
            ("failing", "Cannot be fetched"),
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> QuerySet[Document]:
        match self.value():
            case "waiting":
                return queryset.filter(WAITING)
            case "changed":
                return queryset.filter(candidate__isnull=False)
            case "failing":
                return queryset.exclude(failure="")
            case _:
                return queryset


WAITING = Q(client__status=Client.Status.PENDING) | Q(candidate__isnull=False)


@admin.register(Document, site=console)
class DocumentAdmin(ReadOnlyAdmin):
    place = Place("Connect", "Agents", "agent", tab="Metadata documents", order=1)
    introduction = "Agents that are identified by a metadata document (CIMD). The host of its URL vouches for it."
    empty_text = "There is no metadata document yet."
    change_form_template = "console/document.html"
    list_display = ("agent", "state", "fetched_text", "problem")
    list_filter = (WaitingFilter,)
    list_select_related = ("client", "candidate")
    search_fields = ("url", "host")
    ordering = ("-id",)

    @admin.display(description="document", ordering="url")
    def agent(self, document: Document) -> SafeString:
        return foreign(document.host, sub=document.url)

    @admin.display(description="state")
    def state(self, document: Document) -> SafeString:
        if document.client is None:
            return chip("No client", "")
        if document.candidate is not None:
            return chip("Changed, waits", "caution")
        return chip(document.client.get_status_display(), STATUS_TONES[document.client.status])

    @admin.display(description="fetched", ordering="fetched")
    def fetched_text(self, document: Document) -> SafeString | str:
        return when(document.fetched_at)

    @admin.display(description="last problem")
    def problem(self, document: Document) -> str:
        return problem(document) or "—"

    def waiting(self, request: HttpRequest) -> int:
        """How many documents wait for an approval, for the navigation."""
        if not request.user.has_perm(APPROVE_AGENTS):
            return 0
        return int(Document.objects.filter(WAITING)[:100].count())

    def tasks(self, request: HttpRequest, now: datetime) -> list[Task]:
        """Changes that wait, and documents of approved agents that can no longer be read."""
        if not request.user.has_perm(APPROVE_AGENTS):
            return []
        url, found = reverse("admin:cimd_document_changelist"), []
        if changed := Document.objects.filter(candidate__isnull=False)[:MAX_TASKS].count():
            text = many(changed, "1 agent's document has changed", "The documents of {} agents have changed")
            found.append(Task(text, f"{url}?state=changed", "Compare", "globe"))
        approved = Document.objects.filter(client__status=Client.Status.APPROVED)
        if failing := approved.exclude(failure="")[:MAX_TASKS].count():
            text = many(failing, "1 agent's document cannot be fetched", "The documents of {} agents cannot be fetched")
            found.append(Task(text, f"{url}?state=failing", "Look", "warning"))
        return found

    def tools(self, request: HttpRequest, obj: Document | None) -> Sequence[Tool]:
        if obj is None:
            return (Tool("Inspect a URL", reverse("admin:cimd_document_inspect")),)
        found = [Tool("Inspect it now", f"{reverse('admin:cimd_document_inspect')}?document={obj.pk}")]
        if obj.client is not None:
            found.append(Tool("The agent", reverse("admin:authz_client_change", args=[obj.client.pk])))
        if obj.client is not None and obj.current is not None:
            found += end_access_tools(request, ("document", obj.current.digest))
        if request.user.has_perm(APPROVE_AGENTS) and is_waiting(obj):
            found.insert(0, Tool("Approve", reverse("admin:cimd_document_approve", args=[obj.pk]), ""))
        return found

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("inspect/", wrap(self.inspect_view), name="cimd_document_inspect"),
            path("<int:pk>/approve/", wrap(self.approve_view), name="cimd_document_approve"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        document = row_or_404(all_documents(), unquote(object_id))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "document": document,
            "state": self.state(document),
            "problem": problem(document),
            "tools": self.tools(request, document),
            "proposed": list(difference(document.current, document.candidate)) if document.candidate else None,
            "text": readable(document.current),
            "versions": list(document.versions.all()[:20]),
            "notes": notes(document),
        }
        return TemplateResponse(request, "console/document.html", context)

    def approve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return pages.approve(request, pk)

    def inspect_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return pages.inspect_url(request)
