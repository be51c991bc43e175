"""The console's pages of signal sources: the streams of security events that are received, and what they did."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache

from authz.console.model_admin import ConsoleAdmin, Form
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets.display import chip, code, foreign, when
from authz.console.widgets.fields import LinesField
from authz.console.widgets.tasks import MAX_TASKS, Task, many
from authz.console.widgets.toolbar import Tool
from xaa.admin.received_signals import signals_view
from xaa.configuration.signal_sources import JUDGED, again, keep_one_kind, problem, wrong_actions
from xaa.models import SignalSource, SignalSourceState, TrustedIssuer
from xaa.signals.event_types import StreamStatus
from xaa.signals.receiving import keys, state
from xaa.signals.receiving.actions import CHOICES, CHOSEN


class SignalSourceForm(Form):
    our_token = forms.CharField(
        required=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        label="Our token there",
        help_text="By which this server polls and manages the stream. Empty: it stays as it is.",
    )
    our_secret = forms.CharField(
        required=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        label="Client secret there",
        help_text="With the client_id, instead of a token. Empty: it stays as it is.",
    )
    audience = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="What the aud of its events may be, one a line. Empty: our issuer, or what it said of the stream.",
    )
    actions = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=(
            "What an event leads to, where not the usual, one a line, such as “session-revoked:end”. Events: "
            + ", ".join(sorted(CHOSEN))
            + ". Actions: "
            + ", ".join(CHOICES)
            + "."
        ),
    )

    class Meta:
        model = SignalSource
        labels = {"jwks_uri": "JWKS URI", "poll_url": "Poll URL", "client_id": "Client ID"}
        fields = (
            *("name", "enabled", "preview", "issuer", "tenant", "delivery", "limit", "actions"),
            *("transmitter", "jwks_uri", "audience", "poll_url", "client_id", "token_endpoint", "scope"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        given = self.initial.get("actions")
        if isinstance(given, dict):
            self.initial["actions"] = [f"{event}:{action}" for event, action in given.items()]

    def clean_actions(self) -> dict[str, str]:
        parts = [line.partition(":") for line in self.cleaned_data["actions"]]
        found = {event.strip(): action.strip() for event, _, action in parts}
        if wrong := wrong_actions(found):
            raise forms.ValidationError(f"{wrong}.")
        return found

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if given.get("issuer") is None:
            return given
        wrong = problem(given["issuer"], **{name: given.get(name, "") for name in JUDGED})
        has_client = bool(given.get("client_id"))
        if given.get("our_token") and has_client:
            self.add_error("our_token", "Either a token or a client, not both.")
        if given.get("our_secret") and not has_client:
            self.add_error("our_secret", "It has no use without a client_id.")
        kept = {"token": given.get("our_token"), "client_secret": given.get("our_secret")}
        stored = self.instance if self.instance.pk else None
        used, field = ("client_secret", "our_secret") if has_client else ("token", "our_token")
        if text := again(stored, given | kept).get(used):
            wrong[field] = text
        for name, text in wrong.items():
            self.add_error(name, f"{text[:1].upper()}{text[1:]}.")
        return given


@admin.register(SignalSource, site=console)
class SignalSourceAdmin(ConsoleAdmin):
    place = Place("Trust", "Trusted issuers", "shield", tab="Signals", order=2)
    introduction = "Streams by which issuers tell of ended sessions, disabled accounts and the like, within seconds."
    empty_text = "No issuer sends events. Who is signed out or disabled there keeps what they have here until it ends."
    form = SignalSourceForm
    list_display = ("who", "condition", "last_event", "people_ended")
    list_select_related = ("issuer", "state")
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "enabled", "preview", "issuer", "tenant", "delivery", "limit", "actions")}),
        ("The transmitter", {"fields": ("transmitter", "jwks_uri", "audience", "poll_url")}),
        ("Our access there", {"fields": ("client_id", "our_secret", "token_endpoint", "scope", "our_token")}),
        ("How it is", {"fields": ("condition", "address", "last_event", "last_error", "people_ended")}),
    )
    readonly_fields = ("condition", "address", "last_event", "last_error", "people_ended")

    @admin.display(description="source", ordering="name")
    def who(self, row: SignalSource) -> SafeString:
        return foreign(row.name, sub=row.issuer.issuer)

    @admin.display(description="state", ordering="enabled")
    def condition(self, row: SignalSource) -> SafeString | str:
        return chip_of(row) if row.pk else "—"

    @admin.display(description="last event")
    def last_event(self, row: SignalSource) -> SafeString | str:
        return when(state_row(row).last)

    @admin.display(description="last error")
    def last_error(self, row: SignalSource) -> SafeString | str:
        found = state_row(row)
        return foreign(f"{found.failed:%Y-%m-%d %H:%M} UTC: {found.failure}") if found.failed else "none"

    @admin.display(description="people ended within a day")
    def people_ended(self, row: SignalSource) -> str:
        return str(state.of(row, datetime.now(UTC)).people) if row.pk else "—"

    @admin.display(description="address to enter there, for push")
    def address(self, row: SignalSource) -> SafeString:
        return code(state.address())

    def save_model(self, request: HttpRequest, obj: SignalSource, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if given := form.cleaned_data.get("our_token"):
            obj.token = keys.sealed(given, obj.pk)
        if given := form.cleaned_data.get("our_secret"):
            obj.client_secret = keys.sealed_secret(given, obj.pk)
        keep_one_kind(obj)
        obj.save(update_fields=["token", "client_secret"])

    def tools(self, request: HttpRequest, obj: SignalSource | None) -> Sequence[Tool]:
        return [Tool("Events and tokens", reverse("admin:xaa_signalsource_signals", args=[obj.pk]), "")] if obj else []

    def tasks(self, request: HttpRequest, now: datetime) -> list[Task]:
        """Sources that are held: people may have left, and nothing is done about it."""
        if not self.has_view_permission(request):
            return []
        held = list(SignalSourceState.objects.exclude(held=None).filter(source__enabled=True)[:MAX_TASKS])
        if not held:
            return []
        url = reverse("admin:xaa_signalsource_signals", args=[held[0].pk])
        return [Task(many(len(held), "1 stream of signals is held", "{} streams of signals are held"), url, "Look")]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(never_cache(signals_view))
        return [path("<int:pk>/signals/", view, name="xaa_signalsource_signals"), *super().get_urls()]


def state_row(row: SignalSource) -> SignalSourceState:
    found: SignalSourceState | None = getattr(row, "state", None)
    return found or SignalSourceState()


def chip_of(row: SignalSource) -> SafeString:
    """How a source is, in a word."""
    found = state_row(row)
    if not row.enabled or not row.issuer.enabled:
        return chip("Off", "bad")
    if found.held is not None:
        return chip("Held", "bad")
    if found.status in {StreamStatus.PAUSED, StreamStatus.DISABLED}:
        return chip(f"{found.status.capitalize()} there", "bad")
    if row.preview:
        return chip("Preview", "caution")
    if found.last is None:
        return chip("Nothing came yet", "caution")
    if found.failed is not None and found.failed > found.last:
        return chip("Failing", "bad")
    return chip("Active", "good")


def lines_of(issuer: TrustedIssuer) -> SafeString | str:
    """An issuer's sources, for its page."""
    found = SignalSource.objects.filter(issuer_id=issuer.pk or 0)
    rows = found.select_related("issuer", "state")
    return format_html_join(
        SafeString("<br>"),
        '<a href="{}">{}</a> {} last event {}',
        (
            (
                reverse("admin:xaa_signalsource_signals", args=[row.pk]),
                foreign(row.name),
                chip_of(row),
                when(state_row(row).last),
            )
            for row in rows
        ),
    ) or ("none" if issuer.pk else "—")
