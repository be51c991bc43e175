"""MCP servers: what agents reach, with their scopes in words, and how to protect one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authz.conf import conf
from authz.configuration import resource_identifiers
from authz.console import protection
from authz.console.model_admin import Form, person
from authz.console.navigation import Place
from authz.console.rules.naming import AsksAboutRules, settle
from authz.console.servers import page
from authz.console.servers.form import ResourceForm
from authz.console.servers.steps import rule_url
from authz.console.site import console
from authz.console.widgets import calls, decision_snippets, resource_check, snippets
from authz.console.widgets.display import chip, count, foreign
from authz.console.widgets.fields import ShownField
from authz.console.widgets.tool_fields import LabelsField
from authz.console.widgets.toolbar import Tool
from authz.models import ProtectedResource, Scope
from authz.policy.renaming import NameChange, Named
from authz.protocol.resources import metadata_address

if TYPE_CHECKING:
    ScopeInlineBase = admin.TabularInline[Scope, ProtectedResource]
    BaseFormSet = forms.BaseInlineFormSet[Any, Any, Any]
else:
    ScopeInlineBase = admin.TabularInline
    BaseFormSet = forms.BaseInlineFormSet


ASKING, CALLS, PASSING_ON = "Approvals", "Calls of tools", "Calls that it passes on"


def name_changes(was: str, identifier: str, before: dict[int, str], after: dict[int, str]) -> list[NameChange]:
    """What rules may name: the identifier, and the scopes by their keys, before and after."""
    found = [] if was == identifier else [NameChange(kind=Named.SERVER, name=was, to=identifier)]
    for key, name in before.items():
        # One that was removed and entered again is there.
        if name not in after.values():
            found.append(NameChange(kind=Named.SCOPE, name=name, to=after.get(key, ""), server=was))
    return found


class ScopeForm(Form):
    description = ShownField(max_length=255, required=False, widget=forms.TextInput(attrs={"aria-label": "In words"}))
    labels = LabelsField(required=False, widget=forms.TextInput(attrs={"aria-label": "Labels", "class": "mono"}))

    class Meta:
        model = Scope
        fields = ("name", "description", "sensitivity", "labels")
        # A table's head is no label for the controls below it.
        widgets: ClassVar = {
            "name": forms.TextInput(attrs={"aria-label": "Scope", "class": "mono"}),
            "sensitivity": forms.Select(attrs={"aria-label": "Sensitivity"}, choices=Scope.Sensitivity.choices),
        }


class ScopeFormSet(BaseFormSet):
    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            form.fields["DELETE"].widget.attrs["aria-label"] = "Delete this scope"


class ScopeInline(ScopeInlineBase):
    model = Scope
    form = ScopeForm
    formset = ScopeFormSet
    fields = ("name", "description", "sensitivity", "labels")
    extra = 2
    verbose_name_plural = "scopes"


@admin.register(ProtectedResource, site=console)
class ResourceAdmin(AsksAboutRules):
    place = Place("Connect", "MCP servers", "server", order=2)
    introduction = "What agents reach. A token is for exactly one of them."
    empty_text = "Add the first MCP server that this gate protects."
    form = ResourceForm
    change_form_template = "console/mcp_server.html"
    inlines = (ScopeInline,)
    list_display = ("server", "state", "scope_count", "owner_name", "token_settings")
    list_filter = ("is_active",)
    list_select_related = ("owner",)
    search_fields = ("name", "identifier")
    search_help_text = "Name or identifier"
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "identifier", "owner", "owners", "labels", ("is_active", "is_default"))}),
        (
            "Tokens",
            {
                "fields": (
                    ("access_token_lifetime", "access_token_signing_alg"),
                    "status_list",
                    "dpop_bound_access_tokens_required",
                    "introspection_clients",
                )
            },
        ),
        (
            CALLS,
            {
                "fields": (
                    "tools",
                    "decision_clients",
                    "claims_clients",
                    "shown_arguments",
                    "recorded_calls",
                    ("usual_calls", "usual_times"),
                )
            },
        ),
        (PASSING_ON, {"fields": ("exchange_clients", "may_act", "scope_mappings")}),
        (ASKING, {"fields": ("approvers", "approvals", "pending_answer")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: ProtectedResource | None = None) -> Any:
        # What most servers leave as it is is folded away until it says something; a new one begins with its scopes.
        folded = {ASKING: not (obj and obj.approvers), "Tokens": obj is None}
        folded[PASSING_ON] = not (obj and (obj.scope_mappings or obj.exchange_clients.exists()))
        folded[CALLS] = not (obj and (obj.tools or obj.decision_clients.exists()))
        return [
            (title, {**options, "classes": ("collapse",)} if folded.get(str(title)) else options)
            for title, options in super().get_fieldsets(request, obj)
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProtectedResource]:
        rows: QuerySet[ProtectedResource] = super().get_queryset(request).annotate(scope_total=Count("scopes"))
        return rows

    @admin.display(description="MCP server", ordering="name")
    def server(self, row: ProtectedResource) -> SafeString:
        return foreign(row.name, sub=row.identifier)

    @admin.display(description="state")
    def state(self, row: ProtectedResource) -> SafeString:
        active = chip("Active", "good") if row.is_active else chip("Disabled", "bad")
        return format_html("{} {}", active, chip("Default")) if row.is_default else active

    @admin.display(description="scopes", ordering="scope_total")
    def scope_count(self, row: Any) -> SafeString | str:
        return count(row.scope_total)

    @admin.display(description="owner")
    def owner_name(self, row: ProtectedResource) -> str:
        return row.owner.username if row.owner else "—"

    @admin.display(description="how many of them")
    def approvals(self, row: ProtectedResource) -> int:
        return int((row.approvers or {}).get("count", 1))

    @admin.display(description="tokens")
    def token_settings(self, row: ProtectedResource) -> str:
        return f"{row.access_token_signing_alg}, {row.access_token_lifetime} s"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if request.method == "GET" else None
        context = {**(extra_context or {}), **(page.overview(request, row) if row is not None else {})}
        return super().change_view(request, object_id, form_url, context)

    def response_post_save_add(self, request: HttpRequest, obj: ProtectedResource) -> HttpResponseRedirect:
        # A save leads to the thing with its next step.
        return self.response_post_save_change(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: ProtectedResource) -> HttpResponseRedirect:
        if other := resource_identifiers.resembles(obj.identifier):
            told = f"It differs from {other} by a slash, a port or the case alone."
            messages.warning(request, f"{told} Tokens and rules for one are not for the other.")
        return HttpResponseRedirect(reverse("admin:authz_protectedresource_change", args=[obj.pk]))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        row = form.instance
        before = dict(row.scopes.values_list("pk", "name"))
        super().save_related(request, form, formsets, change)
        if change:
            after = dict(row.scopes.values_list("pk", "name"))
            settle(request, name_changes(str(form.initial["identifier"]), row.identifier, before, after))

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        # Deleting it would delete authorizations that the audit refers to: disable it instead.
        return False

    def tools(self, request: HttpRequest, obj: ProtectedResource | None) -> Sequence[Tool]:
        if obj is None:
            return ()
        tools = [Tool("Protect your server", reverse("admin:authz_protectedresource_protect", args=[obj.pk]))]
        if request.user.has_perm("authz.view_rule"):
            who = f"{reverse('admin:who_reaches')}?{urlencode({'resource': obj.identifier})}"
            tools.append(Tool("Who reaches it", who))
        tools += calls.link(request, resource=obj.identifier)
        return tools

    def cut_off_as(self, obj: ProtectedResource) -> tuple[str, str] | None:
        return "resource", obj.identifier

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/protect/", wrap(self.protect_view), name="authz_protectedresource_protect"),
            *super().get_urls(),
        ]

    def protect_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = get_object_or_404(self.get_queryset(request).prefetch_related("scopes"), pk=pk)
        names = [scope.name for scope in row.scopes.all()]
        checked: list[resource_check.Finding] | None = None
        # A POST, since it sends a request to another server, and only for people who may change this MCP server.
        may_check = request.user.has_perm("authz.change_protectedresource") or request.user.pk in row.owner_keys()
        if request.method == "POST" and may_check:
            checked = protection.check(row, names, person(request))
        values = snippets.Values(
            issuer=conf.issuer,
            jwks_uri=conf.endpoint("jwks"),
            identifier=row.identifier,
            algorithm=row.access_token_signing_alg,
            scopes=names,
        )
        asking = row.decision_clients.order_by("client_id").values_list("client_id", flat=True).first() or ""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Protect {row.name}",
            "row": row,
            "snippets": snippets.protect(values),
            "proof_check": decision_snippets.checking_proofs(values),
            "middlewares": decision_snippets.deciding(values, asking),
            "asking": asking,
            "metadata_address": metadata_address(row.identifier),
            "findings": checked,
            "tries_its_own": protection.may_have_its_own(row),
            "trying": snippets.trying_a_token(values),
            "is_protected": bool(checked) and all(finding.level != "error" for finding in checked or ()),
            "rule_url": rule_url(row, list(row.scopes.all())) if request.user.has_perm("authz.add_rule") else "",
            "may_check": may_check,
        }
        return TemplateResponse(request, "console/protect.html", context)
