"""The page that rejects an agent which waits for an approval."""

from datetime import UTC, datetime

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from authz.approvals import agent_lifecycle
from authz.approvals.access_requests import LONGEST_TEXT
from authz.console.agents.registered import registered_by
from authz.console.model_admin import person
from authz.console.site import console
from authz.console.widgets.fields import ShownField
from authz.models import Client
from authz.sign_in.roles import APPROVE_AGENTS


class RejectionForm(forms.Form):
    reason = ShownField(
        max_length=LONGEST_TEXT,
        label="Why",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Its owner gets it by mail, and the audit keeps it.",
    )


def reject(request: HttpRequest, rows: QuerySet[Client], pk: int) -> HttpResponse:
    if not request.user.has_perm(APPROVE_AGENTS):
        raise PermissionDenied
    client = get_object_or_404(rows, pk=pk)
    form = RejectionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        _reject(request, client, form.cleaned_data["reason"])
        return HttpResponseRedirect(reverse("admin:authz_client_change", args=[pk]))
    context = {
        **console.each_context(request),
        "opts": Client._meta,
        "title": "Reject this agent?",
        "client": client,
        "registered_by": registered_by(client),
        "form": form,
    }
    return TemplateResponse(request, "console/agent_reject.html", context)


def _reject(request: HttpRequest, client: Client, reason: str) -> None:
    if agent_lifecycle.reject(client, by=person(request), now=datetime.now(UTC), reason=reason):
        messages.success(request, f"“{client.name or client.client_id}” is rejected.")
    else:
        messages.warning(request, "It no longer waits for an approval.")
