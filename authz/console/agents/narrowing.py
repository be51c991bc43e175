"""Narrowing the scopes of several agents at once. No scope is added."""

from collections.abc import Sequence

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authz import audit
from authz.console.model_admin import record
from authz.console.site import console
from authz.console.widgets.fields import LinesField
from authz.console.widgets.suggestions import attributes
from authz.database.transactions import unit_of_work
from authz.models import Client

MAX_CHOICES = 500


class NarrowForm(forms.Form):
    scopes = LinesField(
        label="Scopes at most",
        widget=forms.Textarea(attrs=attributes("scopes", rows=4, **{"class": "code"})),
        help_text="One a line. An agent that is registered for fewer of them keeps those; none gets more.",
    )


def narrowed(current: Sequence[str] | None, most: Sequence[str]) -> list[str]:
    """The scopes that are left; `None` meant no limit."""
    return list(most) if current is None else [name for name in current if name in most]


def narrow_selected(request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
    clients = list(queryset.order_by("pk")[:MAX_CHOICES])
    form = NarrowForm(request.POST if request.POST.get("post") else None)
    if not form.is_valid():
        context = {
            **console.each_context(request),
            "title": f"Narrow {len(clients)} agents?" if len(clients) > 1 else "Narrow this agent?",
            "clients": clients,
            "form": form,
        }
        return TemplateResponse(request, "console/agent_narrow.html", context)
    done = sum(_narrow(request, client, form.cleaned_data["scopes"]) for client in clients)
    messages.success(request, f"{done} of {len(clients)} narrowed.")
    if done < len(clients):
        messages.warning(request, "The others had no more than that, or nothing would be left: suspend those instead.")
    return None


def _narrow(request: HttpRequest, client: Client, most: Sequence[str]) -> bool:
    with unit_of_work():
        row = Client.objects.select_for_update().get(pk=client.pk)
        before, after = row.scope, narrowed(row.scope, most)
        if not after or after == before:
            return False
        row.scope = after
        row.save(update_fields=["scope"])
        record(request, audit.Event.CONFIGURATION_CHANGED, row, changed=["scope"], before=before, after=after)
    return True
