"""The form that asks for access for an agent, or through it, before the agent itself asks."""

import time
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from authz import resources
from authz.approvals import access_requests
from authz.approvals.access_requests import LONGEST_TEXT
from authz.console.model_admin import person
from authz.console.rules.simulator import REASONS
from authz.console.site import console
from authz.console.widgets.servers import OwnServerField
from authz.database import configuration_cache
from authz.decisions import preflight
from authz.models import Client, ProtectedResource
from authz.policy import Outcome
from authz.protocol.errors import OAuthError, Reason, RefusalReason
from authz.sign_in.roles import ASK, visible

_REFUSED: dict[RefusalReason, str] = {
    Reason.RATE_LIMITED: "Too many requests of yours wait for an answer. Withdraw one, or wait.",
    Reason.ACCESS_DENIED_BY_POLICY: "It was asked for and rejected lately: see your requests.",
}
FOR = (("agent", "For itself"), ("me", "For me"))


class AskForm(forms.Form):
    resource = OwnServerField(
        ProtectedResource.objects.none(), to_field_name="identifier", label="MCP server", empty_label=None
    )
    scopes = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
        help_text="Separated by spaces. Left empty: all that the server has.",
    )
    acts_for = forms.ChoiceField(label="Acts for", choices=FOR, widget=forms.RadioSelect)
    reason = forms.CharField(max_length=LONGEST_TEXT, label="Why it is needed", help_text="The approvers read it.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        servers: Any = self.fields["resource"]
        servers.queryset = ProtectedResource.objects.filter(is_active=True).order_by("name")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "resource" in cleaned:
            known = list(resources.scopes_of(cleaned["resource"]))
            cleaned["scopes"] = cleaned.get("scopes", "").split() or known
            if unknown := [name for name in cleaned["scopes"] if name not in known]:
                self.add_error("scopes", f"This server has no {unknown[0]}; it has {' '.join(known)}.")
        return cleaned


def ask(request: HttpRequest, pk: int) -> HttpResponse:
    """A form that asks as the agent would. The approvers are told, as if it had asked. Raises `PermissionDenied`."""
    if not request.user.has_perm(ASK):
        raise PermissionDenied
    me = person(request)
    client = get_object_or_404(visible(me, Client.objects.select_related("owner")), pk=pk)
    configuration_cache.begin()
    # What an answer to the agent leads here with; the form validates it as what is typed.
    filled = {
        name: request.GET[name][:LONGEST_TEXT] for name in ("resource", "scopes", "acts_for") if name in request.GET
    }
    form = AskForm(request.POST if request.method == "POST" else None, initial={"acts_for": "agent", **filled})
    if request.method == "POST" and form.is_valid():
        found = _asked(request, client, form)
        if found is not None:
            return found
    context = {**console.each_context(request), "title": "Ask for access", "client": client, "form": form}
    return TemplateResponse(request, "console/ask.html", context)


def _asked(request: HttpRequest, client: Client, form: AskForm) -> HttpResponse | None:
    me, given = person(request), form.cleaned_data
    if given["acts_for"] == "agent" and client.owner_id != me.pk:
        form.add_error("acts_for", "Its owner asks for it. You can ask for yourself.")
        return None
    acts_for = me if given["acts_for"] == "me" else None
    try:
        decision, row = preflight.ask_for(
            client, given["resource"], given["scopes"], person=acts_for, for_rule=True, now=time.time()
        )
    except OAuthError as refusal:
        form.add_error(None, _REFUSED.get(refusal.reason, refusal.sentence))
        return None
    if row is not None:
        access_requests.add_justification(row, by=me, reason=given["reason"], now=datetime.now(UTC))
        told = "those who answer for the MCP server" if row.needs_rule else "the approvers"
        messages.success(request, f"Asked: {told} decide it.")
        return redirect("account_request", row.pk)
    if decision.effect is Outcome.ALLOW:
        form.add_error(None, f"Nothing has to be asked: the rules allow {' '.join(decision.scopes)} already.")
    else:
        form.add_error(None, REASONS.get(decision.reason.value, decision.reason.value))
    return None
