"""The console's list and page of authorizations."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authz.console.model_admin import ReadOnlyAdmin
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets import chains
from authz.console.widgets.display import chip, code, foreign, when
from authz.console.widgets.toolbar import Tool
from authz.models import Authorization, ProtectedResource


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (("live", "Live"), ("ended", "Ended"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Authorization]) -> QuerySet[Authorization]:
        if self.value() == "live":
            return queryset.filter(revoked=None).filter(Q(expires=None) | Q(expires__gt=datetime.now(UTC)))
        if self.value() == "ended":
            return queryset.exclude(revoked=None)
        return queryset


@admin.register(Authorization, site=console)
class AuthorizationAdmin(ReadOnlyAdmin):
    place = Place("Allow", "Authorizations", "link", order=3)
    introduction = "Live and ended authorizations: one agent, for one person or for itself, at one MCP server."
    empty_text = "They appear when an agent gets its first token."
    list_display = ("what", "acts_for", "scope_text", "grant_type", "made", "state")
    list_filter = (StateFilter, "grant_type")
    list_select_related = ("client", "user", "resource")
    ordering = ("-created",)
    search_fields = ("client__client_id", "client__name", "user__username")
    search_help_text = "Agent or person"
    fields = (
        "id", "agent", "person", "server", "grant_type", "scope_text", "made", "ends", "state", "answered_at",
        "signed_in_by", "bound_to", "rests_on", "passed_on_through", "passed_on_to",
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Authorization]:
        # Servers that are called alike are told apart by their identifiers, without a query for each row.
        alike = ProtectedResource.all_objects.filter(name=OuterRef("resource__name")).exclude(pk=OuterRef("resource"))
        found: QuerySet[Authorization] = super().get_queryset(request).annotate(is_called_alike=Exists(alike))
        return found

    @admin.display(description="agent at MCP server", ordering="client__name")
    def what(self, row: Authorization) -> SafeString:
        return foreign(
            row.client.name or row.client.client_id, sub=f"at {_called(row)}" if row.resource else "sign-in only"
        )

    @admin.display(description="for", ordering="user__username")
    def acts_for(self, row: Authorization) -> str:
        return row.user.username if row.user else "itself"

    @admin.display(description="agent")
    def agent(self, row: Authorization) -> SafeString:
        return _linked("authz_client", row.client.pk, row.client.name or row.client.client_id)

    @admin.display(description="for")
    def person(self, row: Authorization) -> SafeString | str:
        return _linked("authz_user", row.user.pk, row.user.username) if row.user else "itself"

    @admin.display(description="MCP server")
    def server(self, row: Authorization) -> SafeString | str:
        if row.resource is None:
            return "none: it signs people in only"
        return _linked("authz_protectedresource", row.resource.pk, _called(row))

    @admin.display(description="refresh tokens end")
    def ends(self, row: Authorization) -> SafeString | str:
        return when(row.expires, never="it has none")

    @admin.display(description="answered at")
    def answered_at(self, row: Authorization) -> SafeString | str:
        return foreign(row.redirect_uri) if row.redirect_uri else "—"

    @admin.display(description="how the person signed in (acr, amr)")
    def signed_in_by(self, row: Authorization) -> SafeString | str:
        told = " ".join([row.acr, *row.amr]).strip()
        return code(told) if told else "—"

    @admin.display(description="refresh tokens are bound to the key (DPoP)")
    def bound_to(self, row: Authorization) -> SafeString | str:
        return code(row.dpop_jkt) if row.dpop_jkt else "—"

    @admin.display(description="scopes")
    def scope_text(self, row: Authorization) -> SafeString:
        return format_html("<code>{}</code>", " ".join([*row.scopes, *row.identity_scopes]) or "—")

    @admin.display(description="what it rests on")
    def rests_on(self, row: Authorization) -> SafeString | str:
        told = ((name.capitalize(), _readable(value)) for name, value in row.lineage.items())
        return format_html_join("", "{}: <code><bdi>{}</bdi></code><br>", told) or "—"

    @admin.display(description="came through")
    def passed_on_through(self, row: Authorization) -> SafeString:
        return chains.path_of(row)

    @admin.display(description="ends with it")
    def passed_on_to(self, row: Authorization) -> SafeString | str:
        return chains.below(row)

    @admin.display(description="since", ordering="created")
    def made(self, row: Authorization) -> SafeString | str:
        return when(row.created)

    @admin.display(description="state", ordering="revoked")
    def state(self, row: Authorization) -> SafeString:
        if row.revoked:
            return chip(f"Ended: {row.revoked_reason.replace('_', ' ')}" if row.revoked_reason else "Ended", "bad")
        if row.expires and row.expires <= datetime.now(UTC):
            return chip("Expired")
        return chip("Live, bound to a key" if row.dpop_jkt else "Live", "good")

    def tools(self, request: HttpRequest, obj: Authorization | None) -> Sequence[Tool]:
        if obj is None:
            return ()
        tools = []
        if request.user.has_perm("authz.view_auditevent"):
            tools.append(Tool("Event history", f"{reverse('admin:story')}?authorization={obj.pk}"))
        return tools

    def cut_off_as(self, obj: Authorization) -> tuple[str, str] | None:
        return ("authorization", str(obj.pk)) if obj.revoked is None else None


def _called(row: Authorization) -> str:
    resource = row.resource
    if resource is None:
        return ""
    return f"{resource.name} ({resource.identifier})" if getattr(row, "is_called_alike", False) else str(resource)


def _linked(model: str, pk: int, name: str) -> SafeString:
    return format_html('<a href="{}"><bdi>{}</bdi></a>', reverse(f"admin:{model}_change", args=[pk]), name)


def _readable(value: object) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value)
