"""The console's pages of the receivers of signals: who is told when access ends, and how their streams are."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache

from authz.console.model_admin import ConsoleAdmin, Form, person
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets.display import chip, code, count, foreign, when
from authz.console.widgets.fields import LinesField
from authz.console.widgets.tasks import MAX_TASKS, Task, many
from authz.console.widgets.toolbar import Tool
from authz.database.transactions import unit_of_work
from authz.models import Client, ProtectedResource
from xaa.configuration.signal_receivers import problem
from xaa.models import ResourceAuthorizationServer, SignalReceiver, SignalStream
from xaa.signals.sending import health, push, statuses, streams
from xaa.signals.sending.caller import identifier
from xaa.signals.sending.health import Health

Status = SignalStream.Status


def _lines(text: str) -> LinesField:
    return LinesField(required=False, widget=forms.Textarea(attrs={"class": "code", "rows": 3}), help_text=text)


class ReceiverForm(Form):
    resources = _lines(
        "MCP servers of this server, by identifier, one a line: the people who were granted access there."
    )
    authorization_servers = _lines("Partner servers, by issuer, one a line: the people whose ID-JAGs went there.")
    push_header = forms.CharField(
        required=False,
        strip=True,
        max_length=4096,
        label="Authorization header",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Sent with each push, such as “Bearer …”. Left empty it stays as it is, while the push URL does.",
    )

    class Meta:
        model = SignalReceiver
        fields = ("name", "enabled", "client", "resources", "authorization_servers", "subject", "audience", "push_url")

    def clean_resources(self) -> list[str]:
        given = sorted(set(self.cleaned_data["resources"]))
        known = set(ProtectedResource.objects.filter(identifier__in=given).values_list("identifier", flat=True))
        if unknown := [name for name in given if name not in known]:
            raise forms.ValidationError(f"There is no MCP server {unknown[0][:200]}.")
        return given

    def clean_authorization_servers(self) -> list[str]:
        given = sorted(set(self.cleaned_data["authorization_servers"]))
        known = set(ResourceAuthorizationServer.objects.filter(issuer__in=given).values_list("issuer", flat=True))
        if unknown := [name for name in given if name not in known]:
            raise forms.ValidationError(f"There is no partner server {unknown[0][:200]}.")
        return given

    def clean_client(self) -> str:
        given = str(self.cleaned_data["client"]).strip()
        if given and not Client.objects.filter(client_id=given).exists():
            raise forms.ValidationError("There is no agent of this client_id.")
        return given

    def clean_push_header(self) -> str:
        given = str(self.cleaned_data["push_header"])
        if not (given.isascii() and (given + "a").isprintable()):
            raise forms.ValidationError("Printable ASCII.")
        return given

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        whole = {name: given.get(name, "") for name in ("name", "push_url", "resources", "authorization_servers")}
        wrong = problem({**whole, "client_id": given.get("client", "")}) if not self.errors else {}
        for name, text in wrong.items():
            self.add_error("client" if name == "client_id" else name, f"{text[:1].upper()}{text[1:]}.")
        return given


@admin.register(SignalReceiver, site=console)
class SignalReceiverAdmin(ConsoleAdmin):
    place = Place("Trust", "Partner servers", "out", tab="Signals", order=3)
    introduction = (
        "Resource servers and partner servers that are told at once when access ends here (Shared Signals, CAEP)."
        " Each is told of the people who were granted access there, and of no other."
    )
    empty_text = "No one is told when access ends. Resource servers that introspect tokens see it all the same."
    form = ReceiverForm
    list_display = ("who", "condition", "held", "last_arrived")
    list_select_related = ("stream",)
    search_fields = ("name", "client")
    search_help_text = "Name or client_id"
    _SET = ("name", "enabled", "client", "resources", "authorization_servers", "subject", "audience")
    fieldsets = (
        (None, {"fields": _SET}),
        ("Pushed to a fixed address", {"fields": ("push_url", "push_header")}),
        (
            "How its stream is",
            {"fields": ("condition", "reason", "method", "held", "last_arrived", "failure", "counts", "resource")},
        ),
    )
    readonly_fields = (*("condition", "reason", "method", "held", "last_arrived", "failure", "counts", "resource"),)

    @admin.display(description="receiver", ordering="name")
    def who(self, row: SignalReceiver) -> SafeString:
        return foreign(row.name, sub=row.client or row.push_url)

    @admin.display(description="state", ordering="enabled")
    def condition(self, row: SignalReceiver) -> SafeString:
        stream = _health(row).stream if row.pk else None
        if not row.enabled:
            return chip("Off", "bad")
        if stream is None:
            return chip("No stream yet", "caution")
        if stream.status != Status.ENABLED:
            return chip(stream.get_status_display(), "bad")
        return chip("Fails", "bad") if stream.failing_since else chip("Active", "good")

    @admin.display(description="because")
    def reason(self, row: SignalReceiver) -> SafeString | str:
        stream = _health(row).stream if row.pk else None
        return foreign(f"{stream.reason} ({stream.changed_by})") if stream and stream.reason else "—"

    @admin.display(description="delivery")
    def method(self, row: SignalReceiver) -> SafeString | str:
        stream = _health(row).stream if row.pk else None
        if stream is None:
            return "—"
        return foreign(stream.get_method_display(), sub=streams.endpoint_url(stream))

    @admin.display(description="waiting")
    def held(self, row: SignalReceiver) -> SafeString | str:
        return count(_health(row).waiting) if row.pk else "—"

    @admin.display(description="last arrived")
    def last_arrived(self, row: SignalReceiver) -> SafeString | str:
        stream = _health(row).stream if row.pk else None
        return when(stream.arrived) if stream and stream.arrived else "never"

    @admin.display(description="last failure")
    def failure(self, row: SignalReceiver) -> SafeString | str:
        stream = _health(row).stream if row.pk else None
        return foreign(stream.failure) if stream and stream.failure else "none"

    @admin.display(description="events")
    def counts(self, row: SignalReceiver) -> str:
        stream = _health(row).stream if row.pk else None
        return f"{stream.sent} arrived, {stream.refused} refused, {stream.lost} lost" if stream else "—"

    @admin.display(description="resource of its access tokens")
    def resource(self, row: SignalReceiver) -> SafeString:
        return code(identifier())

    def save_model(self, request: HttpRequest, obj: SignalReceiver, form: Any, change: bool) -> None:
        header = form.cleaned_data.get("push_header", "")
        # A header goes to no other address than the one that it was entered for.
        if header or "push_url" in form.changed_data or "name" in form.changed_data:
            push.set_authorization(obj, header)
        super().save_model(request, obj, form, change)
        streams.ensure_fixed(obj, datetime.now(UTC))

    def tools(self, request: HttpRequest, obj: SignalReceiver | None) -> Sequence[Tool]:
        if obj is None or not self.has_change_permission(request, obj) or (stream := _health(obj).stream) is None:
            return ()
        is_on = stream.status == Status.ENABLED
        return (Tool("Pause" if is_on else "Switch on", reverse("admin:xaa_signalreceiver_status", args=[obj.pk])),)

    def tasks(self, request: HttpRequest, now: datetime) -> list[Task]:
        """Streams that this server stopped, because nothing arrived or too much waited."""
        if not self.has_view_permission(request):
            return []
        rows = SignalStream.objects.filter(receiver__enabled=True, changed_by=statuses.SERVER)
        stopped = rows.exclude(status=Status.ENABLED)[:MAX_TASKS].count()
        if not stopped:
            return []
        text = many(stopped, "1 receiver is not told when access ends", "{} receivers are not told when access ends")
        return [Task(text, reverse("admin:xaa_signalreceiver_changelist"), "Look")]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(never_cache(self.status_view))
        return [path("<int:pk>/status/", view, name="xaa_signalreceiver_status"), *super().get_urls()]

    def status_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Pause a stream, or switch it on again. Raises `PermissionDenied`."""
        row = get_object_or_404(SignalReceiver, pk=pk)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        stream = get_object_or_404(SignalStream, receiver=row)
        to = Status.PAUSED if stream.status == Status.ENABLED else Status.ENABLED
        if request.method == "POST":
            who = person(request).username
            with unit_of_work():
                locked = statuses.locked(stream)
                # As it was shown, or another person was faster.
                if locked is not None and locked.status == stream.status:
                    because = "An administrator changed it."
                    now = datetime.now(UTC)
                    statuses.change(locked, to, because, by=statuses.ADMINISTRATOR, who=who, now=now)
            messages.success(request, "It is switched on." if to == Status.ENABLED else "It is paused.")
            return redirect("admin:xaa_signalreceiver_change", pk)
        consequence = (
            "“<bdi>{}</bdi>” is told of what waits, and of what ends from now on."
            if to == Status.ENABLED
            else "“<bdi>{}</bdi>” is told nothing. What ends meanwhile waits, for a week at most."
        )
        context = {
            **self.admin_site.each_context(request),
            "title": "Switch it on?" if to == Status.ENABLED else "Pause it?",
            "consequence": format_html(consequence, row.name),
            "button": "Switch on" if to == Status.ENABLED else "Pause",
            "back": Tool(row.name, reverse("admin:xaa_signalreceiver_change", args=[pk])),
        }
        return TemplateResponse(request, "console/confirm.html", context)


def _health(row: SignalReceiver) -> Health:
    found: Health | None = getattr(row, "_health", None)
    if found is None:
        found = health.of(row, datetime.now(UTC))
        row._health = found  # type: ignore[attr-defined]  # for one page
    return found
