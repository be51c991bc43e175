"""Destinations of the audit in the console: a form, a test that really sends, and removing one.

What is saved goes the way of `apply` and of the API, with their checks and their record in the audit.
"""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from authz import audit
from authz.audit.console_events import ConsoleEvent
from authz.configuration import By, ConfigurationError, Section, audit_destinations, revise
from authz.console.model_admin import person
from authz.console.site import console
from authz.console.widgets.fields import KeyField
from authz.console.widgets.toolbar import Tool
from authz.database.transactions import unit_of_work
from authz.evidence import destination_test
from authz.models import AuditDestination
from authz.sign_in.roles import CONFIGURE

FORMATS = (
    ("jsonl", "JSON Lines: the events as they are sealed"),
    ("ocsf", "OCSF 1.8"),
    ("cef", "CEF"),
    ("checkpoint", "Checkpoints: the signed heads alone"),
)


class DestinationForm(forms.Form):
    name = KeyField(max_length=100)
    format = forms.ChoiceField(choices=FORMATS)
    to = forms.CharField(
        label="Where to",
        max_length=2048,
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
        help_text="https://…, syslog+tls://host:port, or file:name in the audit's directory. A private address has to"
        " be named in GATEHOUSE_OUTBOUND_ALLOWED_HOSTS.",
    )
    bearer_token = forms.CharField(
        required=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="For https. It is kept encrypted, and never shown again.",
    )
    forget_token = forms.BooleanField(required=False, label="Send no bearer token any more")
    enabled = forms.BooleanField(required=False, initial=True)

    def __init__(self, row: AuditDestination | None, data: Any = None) -> None:
        initial = audit_destinations.as_item(row) if row else {"enabled": True}
        initial.pop("bearer_token", None)
        super().__init__(data, initial=initial, label_suffix="")
        if row is not None:
            del self.fields["name"]
        if row is None or not row.encrypted_token:
            del self.fields["forget_token"]
        else:
            self.fields["bearer_token"].help_text = "There is one. Left empty, it stays; for another address, type it."

    def item(self, name: str) -> dict[str, Any]:
        """In the form of the configuration file. A token that is left empty is left out."""
        given = self.cleaned_data
        item = {"name": name, "format": given["format"], "to": given["to"], "enabled": given["enabled"]}
        if given["bearer_token"]:
            item["bearer_token"] = given["bearer_token"]
        return item


def add(request: HttpRequest) -> HttpResponse:
    return _edit(request, None)


def change(request: HttpRequest, name: str) -> HttpResponse:
    return _edit(request, get_object_or_404(AuditDestination, pk=name))


def _edit(request: HttpRequest, row: AuditDestination | None) -> HttpResponse:
    _require(request)
    form = DestinationForm(row, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        name = row.name if row else form.cleaned_data["name"]
        if row is None and AuditDestination.objects.filter(pk=name).exists():
            form.add_error("name", "There is a destination of this name.")
        elif _save(request, form, name):
            messages.success(request, f"“{name}” is saved. Send a test to see whether it arrives.")
            return HttpResponseRedirect(_address("change", name))
    context = {
        **console.each_context(request),
        "opts": AuditDestination._meta,
        "title": row.name if row else "Add a destination of the audit",
        "row": row,
        "form": form,
        "tools": _tools(row),
    }
    return TemplateResponse(request, "console/destination.html", context)


def _save(request: HttpRequest, form: DestinationForm, name: str) -> bool:
    item = form.item(name)

    def revised(before: dict[str, Any] | None) -> dict[str, Any]:
        if form.cleaned_data.get("forget_token") and "bearer_token" not in item and before is not None:
            AuditDestination.objects.filter(pk=name).update(encrypted_token=b"")
        return item

    try:
        revise(_section(), name, revised, by=_by(request))
    except ConfigurationError as error:
        for mistake in error.mistakes():
            field = str(mistake.path[0]) if mistake.path and str(mistake.path[0]) in form.fields else None
            form.add_error(field, mistake.problem[:1].upper() + mistake.problem[1:])
        return False
    return True


def test(request: HttpRequest, name: str) -> HttpResponse:
    """GET: the question. POST: send it, and say what came back."""
    _require(request)
    row, outcome = get_object_or_404(AuditDestination, pk=name), None
    if request.method == "POST":
        me = person(request)
        outcome = destination_test.send(row, by=me.username)
        with unit_of_work():
            detail = {"name": row.name, "by": me.username, "arrived": outcome.arrived, "told": outcome.text}
            audit.record(ConsoleEvent.DESTINATION_TESTED, subject=str(me.subject), detail=detail)
    context = {
        **console.each_context(request),
        "opts": AuditDestination._meta,
        "title": "Send a test?" if outcome is None else "The test arrived" if outcome.arrived else "It did not arrive",
        "row": row,
        "outcome": outcome,
    }
    return TemplateResponse(request, "console/destination_test.html", context)


def remove(request: HttpRequest, name: str) -> HttpResponse:
    _require(request)
    row = get_object_or_404(AuditDestination, pk=name)
    back = reverse("admin:authz_auditdestination_changelist")
    if request.method == "POST":
        revise(_section(), name, lambda _: None, by=_by(request))
        messages.success(request, f"“{name}” is removed.")
        return HttpResponseRedirect(back)
    context = {
        **console.each_context(request),
        "opts": AuditDestination._meta,
        "title": "Remove this destination?",
        "consequence": f"“{row.name}” gets no more events. Added again, it gets all of them from the first on.",
        "button": "Remove it",
        "ends_something": True,
        "back": Tool(row.name, _address("change", name)),
    }
    return TemplateResponse(request, "console/confirm.html", context)


def may_change(request: HttpRequest) -> bool:
    return request.user.has_perm(CONFIGURE)


def _require(request: HttpRequest) -> None:
    if not may_change(request):
        raise PermissionDenied(CONFIGURE)


def _section() -> Section:
    return cast(Section, audit_destinations)


def _by(request: HttpRequest) -> By:
    me = person(request)
    return By(name=me.username, subject=str(me.subject))


def _address(page: str, name: str) -> str:
    return reverse(f"admin:authz_auditdestination_{page}", args=[name])


def _tools(row: AuditDestination | None) -> tuple[Tool, ...]:
    if row is None:
        return ()
    return (
        Tool("Send a test", _address("test", row.name)),
        Tool("Remove", _address("delete", row.name), "danger", in_menu=True),
    )
