"""Adding an agent that runs in CI or Kubernetes: its platform vouches for it, so it has no secret."""

from typing import Any

from django import forms
from django.http import HttpRequest

from authz import audit
from authz.console.agents.kinds import AddForm, Kind, offer
from authz.console.model_admin import record
from authz.models import Client
from authz.models.client import JWT_BEARER
from xaa.models import TrustedIssuer, WorkloadBinding


class WorkloadAgentForm(AddForm):
    FIELDS = ("issuer", "subject")
    GRANTS = (JWT_BEARER,)

    issuer = forms.ModelChoiceField(
        TrustedIssuer.objects.none(),
        label="Platform",
        empty_label=None,
        help_text="A trusted issuer that is accepted for workloads. Add yours under Trusted issuers: it has presets for"
        " Kubernetes, GitHub Actions and others.",
    )
    subject = forms.CharField(
        max_length=512,
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
        help_text="The subject (sub) of its tokens, such as system:serviceaccount:NAMESPACE:NAME or"
        " repo:OWNER/REPOSITORY:environment:production.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        issuer: Any = self.fields["issuer"]
        accepting = [row.pk for row in TrustedIssuer.objects.filter(enabled=True) if _accepts_workloads(row)]
        issuer.queryset = TrustedIssuer.objects.filter(pk__in=accepting).order_by("name")

    def save_more(self, request: HttpRequest, client: Client) -> None:
        issuer = self.cleaned_data["issuer"]
        WorkloadBinding.objects.create(issuer=issuer, subject=self.cleaned_data["subject"], client=client)
        record(request, audit.Event.CONFIGURATION_CHANGED, issuer, changed=["workloads"])


def _accepts_workloads(issuer: TrustedIssuer) -> bool:
    return TrustedIssuer.Use.WORKLOAD in issuer.accepts


offer(
    "workload",
    Kind(
        title="A job in CI or Kubernetes",
        text="It acts for itself, and its platform vouches for it. There is no secret to store or to lose.",
        order=3,
        form=WorkloadAgentForm,
        permission="xaa.change_trustedissuer",
    ),
)
