"""The table of a trusted issuer's workloads: which subject is which agent."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin

from authz.console.model_admin import Form
from authz.console.widgets.fields import AgentField, JsonObjectField
from authz.models import Client
from authz.models.client import JWT_BEARER
from xaa.admin.fields import NamedFields
from xaa.models import TrustedIssuer, WorkloadBinding

if TYPE_CHECKING:
    WorkloadInlineBase = admin.TabularInline[WorkloadBinding, TrustedIssuer]
else:
    WorkloadInlineBase = admin.TabularInline


class WorkloadForm(Form):
    client = AgentField(label="Agent", max_length=1024)
    claims = JsonObjectField(
        required=False, widget=forms.Textarea(attrs={"class": "code", "rows": 2, "spellcheck": "false"})
    )

    class Meta:
        model = WorkloadBinding
        fields = ("subject", "claims", "client", "reuse")
        labels: ClassVar = {"reuse": "Reusable until it expires"}

    def clean_claims(self) -> dict[str, Any]:
        return self.cleaned_data["claims"] or {}

    def clean_client(self) -> Client | None:
        client: Client | None = self.cleaned_data["client"]
        if client is not None and JWT_BEARER not in client.grant_types:
            raise forms.ValidationError(f"This agent does not ask for tokens by {JWT_BEARER}.")
        return client


class WorkloadInline(WorkloadInlineBase):
    formset = NamedFields
    model = WorkloadBinding
    form = WorkloadForm
    fields = ("subject", "claims", "client", "reuse")
    extra = 1
    verbose_name_plural = "workloads"
