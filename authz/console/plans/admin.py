"""The console's list of plans, and the page of one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache

from authz.configuration import plan_approvers
from authz.console.model_admin import ReadOnlyAdmin, person
from authz.console.navigation import Place
from authz.console.plans.pages import apply, decide, known_of, may_apply
from authz.console.site import console
from authz.console.widgets.display import chip, foreign, when
from authz.console.widgets.toolbar import Tool
from authz.models import ConfigurationPlan
from authz.sign_in.roles import DECIDE_PLANS

TONES = {"waiting": "caution", "approved": "good", "applied": "good", "declined": "bad"}


@admin.register(ConfigurationPlan, site=console)
class ConfigurationPlanAdmin(ReadOnlyAdmin):
    place = Place("Decide", "Access requests", "inbox", tab="Plans", order=1)
    introduction = (
        "Changes of the configuration that a program or a person planned. Another administrator reads and approves"
        " them; then they are applied once, if nothing that they change has changed since."
    )
    empty_text = "They appear when a file is sent to /api/v1/plans, or by the command plan."
    change_form_template = "console/plan_view.html"
    list_display = ("who", "why", "size", "created_when", "status_chip", "to_decide")
    list_filter = ("status",)
    search_fields = ("planned_by", "note")
    search_help_text = "Planner or note"
    fields = ("id",)

    @admin.display(description="planned by", ordering="planned_by")
    def who(self, row: ConfigurationPlan) -> SafeString:
        return foreign(row.planned_by)

    @admin.display(description="why")
    def why(self, row: ConfigurationPlan) -> SafeString:
        return foreign(row.note) if row.note else format_html('<span class="soft">{}</span>', "no note")

    @admin.display(description="changes")
    def size(self, row: ConfigurationPlan) -> str:
        return str(len(row.changes))

    @admin.display(description="planned", ordering="created")
    def created_when(self, row: ConfigurationPlan) -> SafeString | str:
        return when(row.created)

    @admin.display(description="status", ordering="status")
    def status_chip(self, row: ConfigurationPlan) -> SafeString:
        status = row.status_at(datetime.now(UTC))
        words = dict(ConfigurationPlan.Status.choices)
        return chip(str(words.get(status, status.capitalize())), TONES.get(status, ""))

    @admin.display(description="")
    def to_decide(self, row: Any) -> SafeString:
        if not getattr(row, "is_mine", False):
            return SafeString("<span></span>")
        return format_html(
            '<a class="button small" href="{}">Decide<span class="visually-hidden"> about the plan of'
            " <bdi>{}</bdi></span></a>",
            reverse("admin:authz_configurationplan_decide", args=[row.pk]),
            row.planned_by,
        )

    def waiting(self, request: HttpRequest) -> int:
        """Those that this person may approve, as far as one query says."""
        if not request.user.has_perm(DECIDE_PLANS):
            return 0
        return plan_approvers.waiting_for(person(request), datetime.now(UTC)).count()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response: Any = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None) or {}
        for row in context["cl"].result_list if "cl" in context else ():
            waits = row.status_at(datetime.now(UTC)) == ConfigurationPlan.Status.WAITING
            row.is_mine = waits and not plan_approvers.objection(row, person(request))
        return response  # type: ignore[no-any-return]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        found = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if found is not None:
            context |= known_of(found, request) | {"state": self.status_chip(found)}
        return super().change_view(request, object_id, form_url, context)

    def tools(self, request: HttpRequest, obj: ConfigurationPlan | None) -> Sequence[Tool]:
        if obj is None or not request.user.has_perm(DECIDE_PLANS):
            return ()
        now, status = datetime.now(UTC), ConfigurationPlan.Status
        found = []
        if may_apply(obj, now):
            found.append(Tool("Apply", reverse("admin:authz_configurationplan_apply", args=[obj.pk]), ""))
        if obj.status_at(now) == status.WAITING:
            found.append(Tool("Decide", reverse("admin:authz_configurationplan_decide", args=[obj.pk]), ""))
        if obj.status == status.APPLIED and obj.file is not None:
            found.append(Tool("Compare with today", "?drift=1"))
        return found

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/decide/", wrap(never_cache(decide)), name="authz_configurationplan_decide"),
            path("<uuid:pk>/apply/", wrap(never_cache(apply)), name="authz_configurationplan_apply"),
            *super().get_urls(),
        ]
