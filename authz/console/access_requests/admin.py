"""The console's list and page of access requests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import Case, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache

from authz.approvals import access_requests, approvers
from authz.console.access_requests.decision import known_of
from authz.console.access_requests.pages import decide, end
from authz.console.access_requests.waiting import waiting_for_me
from authz.console.model_admin import ReadOnlyAdmin, person
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets import names
from authz.console.widgets.display import chip, foreign, when
from authz.console.widgets.toolbar import Tool
from authz.models import AccessRequest
from authz.sign_in.roles import DECIDE_REQUESTS, visible_requests

TONES = {"open": "caution", "approved": "good", "denied": "bad"}
# What waits stands above what is decided.
IS_OPEN = Case(When(status=AccessRequest.Status.OPEN, then=1), default=0)


class WaitsFilter(admin.SimpleListFilter):
    title = "waits for"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (("me", "Me"), ("anybody", "Anyone"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[AccessRequest]) -> QuerySet[AccessRequest]:
        now = datetime.now(UTC)
        if self.value() == "me":
            return queryset.filter(pk__in=[row.pk for row in waiting_for_me(request, now)])
        return queryset & access_requests.queue(now).order_by() if self.value() == "anybody" else queryset


@admin.register(AccessRequest, site=console)
class AccessRequestAdmin(ReadOnlyAdmin):
    place = Place("Decide", "Access requests", "inbox", order=1)
    introduction = "Requests that a person decides. An approval covers exactly what was asked, and ends on its date."
    empty_text = "They appear when a rule requires an approval and an agent asks."
    change_form_template = "console/access_request_view.html"
    list_display = ("what", "acts_for", "scope_text", "why", "asked_text", "state_chip", "to_decide")
    list_filter = (WaitsFilter, "status")
    list_select_related = ("client", "user", "decided_by")
    search_fields = ("client__client_id", "client__name", "user__username")
    search_help_text = "Agent or person"
    fields = ("id",)

    @admin.display(description="agent at MCP server", ordering="client__name")
    def what(self, row: Any) -> SafeString:
        where = row.server_names.get(row.resource, row.resource)
        return foreign(row.client.name or row.client.client_id, sub=f"at {where}" if row.resource else "sign-in only")

    @admin.display(description="for", ordering="user__username")
    def acts_for(self, row: AccessRequest) -> SafeString | str:
        return foreign(row.user.username) if row.user else format_html('<span class="soft">{}</span>', "itself")

    @admin.display(description="scopes")
    def scope_text(self, row: AccessRequest) -> SafeString:
        return format_html('<code><bdi class="foreign">{}</bdi></code>', " ".join(row.scopes))

    @admin.display(description="why")
    def why(self, row: AccessRequest) -> SafeString:
        """The reason that was given, and the rule that requires the approval."""
        rules = format_html(
            '<span class="sub"><bdi class="foreign">{}</bdi></span>', ", ".join(row.context.get("rules", ()))
        )
        if not row.reason:
            return format_html('<span class="soft">{}</span>{}', "no reason given", rules)
        return format_html('<bdi class="foreign">{}</bdi>{}', row.reason, rules)

    @admin.display(description="asked", ordering="last_asked")
    def asked_text(self, row: AccessRequest) -> SafeString:
        again = format_html('<span class="sub">{} times</span>', row.asked) if row.asked > 1 else ""
        return format_html("{}{}", when(row.last_asked), again)

    @admin.display(description="")
    def to_decide(self, row: Any) -> SafeString | str:
        if not row.is_mine:
            return SafeString("<span></span>")
        return format_html(
            '<a class="button small" href="{}">Decide<span class="visually-hidden"> about <bdi>{}</bdi></span></a>',
            reverse("admin:authz_accessrequest_decide", args=[row.pk]),
            row.client.name or row.client.client_id,
        )

    @admin.display(description="state", ordering="status")
    def state_chip(self, row: AccessRequest) -> SafeString:
        state = row.state(datetime.now(UTC))
        return chip(state.capitalize(), TONES.get(state, ""))

    def get_ordering(self, request: HttpRequest) -> Any:
        return IS_OPEN.desc(), "-last_asked"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccessRequest]:
        return visible_requests(person(request), super().get_queryset(request))

    def waiting(self, request: HttpRequest) -> int:
        return len(waiting_for_me(request, datetime.now(UTC))) if request.user.has_perm(DECIDE_REQUESTS) else 0

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            rows = response.context_data["cl"].result_list
            known = names.of_servers(row.resource for row in rows)
            mine = {row.pk for row in waiting_for_me(request, datetime.now(UTC))}
            for row in rows:
                row.server_names, row.is_mine = known, row.pk in mine
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        found = self.get_object(request, object_id)
        if found is not None:
            context |= {**known_of(found), "state": self.state_chip(found)}
        return super().change_view(request, object_id, form_url, context)

    def tools(self, request: HttpRequest, obj: AccessRequest | None) -> Sequence[Tool]:
        if obj is None:
            return ()
        state, me = obj.state(datetime.now(UTC)), person(request)
        if approvers.objection(obj, me):
            return self._next(request, obj)
        if state == AccessRequest.Status.OPEN and not obj.votes.filter(by=me).exists():
            return (Tool("Decide", reverse("admin:authz_accessrequest_decide", args=[obj.pk]), ""),)
        following = self._next(request, obj)
        # What a rule allows ends by changing the rule.
        if state == AccessRequest.Status.APPROVED and not obj.needs_rule:
            end_it = Tool("End access", reverse("admin:authz_accessrequest_end", args=[obj.pk]), "danger")
            return (*following, end_it)
        return following

    @staticmethod
    def _next(request: HttpRequest, obj: AccessRequest) -> tuple[Tool, ...]:
        """The button that leads to the next open request."""
        if not request.user.has_perm(DECIDE_REQUESTS):
            return ()
        others = [row for row in waiting_for_me(request, datetime.now(UTC)) if row.pk != obj.pk]
        if not others:
            return ()
        return (Tool(f"Next of {len(others)}", reverse("admin:authz_accessrequest_decide", args=[others[0].pk]), ""),)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/decide/", wrap(never_cache(decide)), name="authz_accessrequest_decide"),
            path("<uuid:pk>/end/", wrap(never_cache(end)), name="authz_accessrequest_end"),
            *super().get_urls(),
        ]
