"""The console's pages of other organisations' authorization servers, where our ID-JAGs go."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from authz import resources
from authz.console.model_admin import ConsoleAdmin, Form
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets.display import chip, count, foreign
from authz.console.widgets.fields import LinesField
from authz.protocol.errors import OAuthError
from authz.protocol.scope_names import is_scope_token
from xaa.admin.fields import ClientIdsField, IssuerField, NamedFields
from xaa.models import (
    ResourceAuthorizationServer,
    TargetResource,
)

if TYPE_CHECKING:
    TargetInlineBase = admin.TabularInline[TargetResource, ResourceAuthorizationServer]
else:
    TargetInlineBase = admin.TabularInline


class ServerForm(Form):
    issuer = IssuerField(max_length=512, strip=False, help_text="Exactly as in the claim “aud”.")
    client_ids = ClientIdsField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 3, "spellcheck": "false"}),
        label="Client ids",
        help_text='A JSON object that maps our agents\' ids to their ids there: {"ours": "theirs"}. The URL of a'
        " metadata document is the same everywhere.",
    )

    class Meta:
        model = ResourceAuthorizationServer
        fields = (
            *("name", "issuer", "enabled", "id_jag_signing_alg", "client_ids"),
            *("tenant", "aud_tenant", "aud_sub"),
        )


class TargetForm(Form):
    scopes = LinesField(required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="One a line.")

    class Meta:
        model = TargetResource
        fields = ("identifier", "scopes")

    def clean_identifier(self) -> str:
        given = str(self.cleaned_data["identifier"])
        try:
            resources.canonical(given)
        except OAuthError as error:
            raise forms.ValidationError(error.sentence) from None
        return given

    def clean_scopes(self) -> list[str]:
        given: list[str] = self.cleaned_data["scopes"]
        if not all(is_scope_token(name) for name in given):
            raise forms.ValidationError("Scope names have neither quotation marks nor backslashes.")
        return given


class TargetInline(TargetInlineBase):
    formset = NamedFields
    model = TargetResource
    form = TargetForm
    fields = ("identifier", "scopes")
    extra = 1


@admin.register(ResourceAuthorizationServer, site=console)
class ResourceAuthorizationServerAdmin(ConsoleAdmin):
    place = Place("Trust", "Partner servers", "out", tab="Servers", order=3)
    introduction = "Authorization servers of other organisations that accept our ID-JAGs, and their MCP servers."
    empty_text = "No agent can reach another organisation's MCP server yet."
    form = ServerForm
    inlines = (TargetInline,)
    list_display = ("who", "state", "reach")
    search_fields = ("name", "issuer")

    @admin.display(description="server", ordering="issuer")
    def who(self, row: ResourceAuthorizationServer) -> SafeString:
        return foreign(row.name or row.issuer, sub=row.issuer)

    @admin.display(description="state", ordering="enabled")
    def state(self, row: ResourceAuthorizationServer) -> SafeString:
        return chip("Active", "good") if row.enabled else chip("Disabled", "bad")

    @admin.display(description="resources")
    def reach(self, row: Any) -> SafeString | str:
        return count(row.resource_total)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ResourceAuthorizationServer]:
        rows: QuerySet[ResourceAuthorizationServer] = super().get_queryset(request)
        return rows.annotate(resource_total=Count("resources"))
