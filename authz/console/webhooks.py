"""Webhooks, and the deliveries of all notifications."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache

from authz import audit
from authz.console.model_admin import ConsoleAdmin, Form, ReadOnlyAdmin, person, record
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets.display import chip, foreign, when
from authz.console.widgets.fields import LinesField
from authz.console.widgets.toolbar import Tool
from authz.database.transactions import unit_of_work
from authz.models import Notification, WebhookEndpoint
from authz.notifications import Kind, webhook_secrets
from authz.outbound import Role, is_fetchable

STATE_TONES = {"sent": "good", "waiting": "caution", "failed": "bad"}


class WebhookForm(Form):
    events = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 4, "spellcheck": "false"}),
        label="Told of",
        help_text="Kinds, one a line, such as access_request.opened; * is everything, nothing is nothing.",
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("name", "url", "events", "enabled")
        widgets: ClassVar = {"url": forms.URLInput(attrs={"class": "mono"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            self.initial["events"] = ["*"]

    def clean_url(self) -> str:
        given = str(self.cleaned_data["url"])
        if not is_fetchable(given, Role.WEBHOOK):
            raise forms.ValidationError(
                "An https URL; a private address has to be named in GATEHOUSE_OUTBOUND_ALLOWED_HOSTS."
            )
        return given


@admin.register(WebhookEndpoint, site=console)
class WebhookAdmin(ConsoleAdmin):
    place = Place("Operate", "Notifications", "bell", tab="Webhooks", order=3)
    introduction = "Systems that are told what happens, signed as Standard Webhooks says."
    empty_text = "Add one to notify your chat or ticket system when a request is waiting."
    form = WebhookForm
    list_display = ("endpoint", "state_chip", "told_of", "delivered_when")
    search_fields = ("name", "url")
    search_help_text = "Name or URL"
    ordering = ("name",)
    fields = ("name", "url", "events", "enabled", "state_chip", "failure", "delivered_when")
    readonly_fields = ("state_chip", "failure", "delivered_when")

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> Any:
        return self.fields if obj is not None else ("name", "url", "events", "enabled")

    @admin.display(description="webhook", ordering="name")
    def endpoint(self, row: WebhookEndpoint) -> SafeString:
        return foreign(row.name, sub=row.url)

    @admin.display(description="state")
    def state_chip(self, row: WebhookEndpoint) -> SafeString:
        if not row.enabled:
            return chip("Disabled")
        return chip("Fails", "bad") if row.failing_since else chip("Works", "good") if row.delivered else chip("New")

    @admin.display(description="told of")
    def told_of(self, row: WebhookEndpoint) -> str:
        return "everything" if "*" in row.events else ", ".join(row.events) or "nothing"

    @admin.display(description="last arrived", ordering="delivered")
    def delivered_when(self, row: WebhookEndpoint) -> SafeString | str:
        return when(row.delivered)

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        if not change:
            # The first secret is not shown. The next page makes a new one, and shows it once.
            webhook_secrets.set_secret(obj, webhook_secrets.new_secret())
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None) -> Any:
        messages.success(request, "The webhook is there. It needs a secret now.")
        return HttpResponseRedirect(reverse("admin:authz_webhookendpoint_secret", args=[obj.pk]))

    def tools(self, request: HttpRequest, obj: WebhookEndpoint | None) -> Sequence[Tool]:
        if obj is None or not self.has_change_permission(request, obj):
            return ()
        return (
            Tool("Send a test", reverse("admin:authz_webhookendpoint_test", args=[obj.pk])),
            Tool("New secret", reverse("admin:authz_webhookendpoint_secret", args=[obj.pk])),
        )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/secret/", wrap(never_cache(self.secret_view)), name="authz_webhookendpoint_secret"),
            path("<uuid:pk>/test/", wrap(never_cache(self.test_view)), name="authz_webhookendpoint_test"),
            *super().get_urls(),
        ]

    def _to_change(self, request: HttpRequest, pk: UUID) -> WebhookEndpoint:
        found = get_object_or_404(WebhookEndpoint, pk=pk)
        if not self.has_change_permission(request, found):
            raise PermissionDenied
        return found

    def secret_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Make a new secret and show it once."""
        found, secret = self._to_change(request, pk), ""
        if request.method == "POST":
            secret = webhook_secrets.new_secret()
            with unit_of_work():
                webhook_secrets.set_secret(found, secret)
                found.save(update_fields=["secret"])
                record(request, audit.Event.CONFIGURATION_CHANGED, found, changed=["secret"])
        title = "The webhook's new secret" if secret else "Make a new secret?"
        context = {**self.admin_site.each_context(request), "title": title, "endpoint": found, "secret": secret}
        return TemplateResponse(request, "console/webhook_secret.html", context)

    def test_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Send it a test message."""
        found = self._to_change(request, pk)
        if request.method == "POST":
            with unit_of_work():
                webhook_secrets.send_test(found, by=person(request).username, now=datetime.now(UTC))
            messages.success(request, "On its way. Look here again in a moment.")
            return redirect("admin:authz_webhookendpoint_change", pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Send a test?",
            "consequence": format_html(
                "“<bdi>{}</bdi>” gets a message of the kind webhook.test, signed like any other.", found.name
            ),
            "button": "Send it",
            "back": Tool(found.name, reverse("admin:authz_webhookendpoint_change", args=[pk])),
        }
        return TemplateResponse(request, "console/confirm.html", context)


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("sent", "Sent"), ("waiting", "Waiting"), ("failed", "Given up")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "sent":
                return queryset.exclude(delivered=None)
            case "waiting":
                return queryset.exclude(due=None)
            case "failed":
                return queryset.filter(due=None, delivered=None)
        return queryset


@admin.register(Notification, site=console)
class NotificationAdmin(ReadOnlyAdmin):
    place = Place("Operate", "Notifications", "bell", tab="Deliveries", order=3)
    introduction = "What people were told by mail and systems by webhook, for thirty days."
    empty_text = "Nothing was told yet."
    list_display = ("what", "to", "created_when", "state_chip", "failure")
    list_filter = (StateFilter, "kind")
    list_select_related = ("recipient", "endpoint")
    search_fields = ("subject", "recipient__username", "endpoint__name", "about")
    search_help_text = "Subject, person, webhook, or what it is about"
    ordering = ("-created",)
    fields = (
        "kind", "subject", "to", "body", "data", "about", "message", "created", "state_chip", "attempts", "due",
        "delivered", "failure",
    )  # fmt: skip
    readonly_fields = ("to", "state_chip")

    @admin.display(description="what")
    def what(self, row: Notification) -> SafeString:
        return foreign(row.subject, sub=row.kind)

    @admin.display(description="to")
    def to(self, row: Notification) -> str:
        return row.recipient.username if row.recipient else str(row.endpoint)

    @admin.display(description="told", ordering="created")
    def created_when(self, row: Notification) -> SafeString | str:
        return when(row.created)

    @admin.display(description="state")
    def state_chip(self, row: Notification) -> SafeString:
        words = {"sent": "Sent", "waiting": "Tried again soon" if row.attempts else "Waiting", "failed": "Given up"}
        return chip(words[row.state], STATE_TONES[row.state])

    def tools(self, request: HttpRequest, obj: Notification | None) -> Sequence[Tool]:
        if obj is None or obj.state == "sent" or not _may_try_again(request, obj):
            return ()
        return (Tool("Try again", reverse("admin:authz_notification_again", args=[obj.pk])),)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/again/", wrap(never_cache(self.again_view)), name="authz_notification_again"),
            *super().get_urls(),
        ]

    def again_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Try what did not arrive once more, now. Raises `PermissionDenied`."""
        found = get_object_or_404(Notification, pk=pk)
        if not _may_try_again(request, found):
            raise PermissionDenied
        if request.method == "POST":
            # Conditional: a notification that arrived meanwhile is not sent again (invariant 3).
            tried = Notification.objects.filter(pk=pk, delivered=None).update(due=datetime.now(UTC), attempts=0)
            messages.success(request, "It is tried again now." if tried else "It has arrived in the meantime.")
            return redirect("admin:authz_notification_change", pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Try again?",
            "consequence": format_html(
                "“<bdi>{}</bdi>” is sent to <bdi>{}</bdi> once more.", found.subject, self.to(found)
            ),
            "button": "Try again",
            "back": Tool(found.subject, reverse("admin:authz_notification_change", args=[pk])),
        }
        return TemplateResponse(request, "console/confirm.html", context)


def _may_try_again(request: HttpRequest, row: Notification) -> bool:
    # The link of an invitation is not kept once its mail is given up: the person is invited again.
    is_without_link = row.kind == Kind.PERSON_INVITED and row.recipient_id is not None and row.sealed is None
    return request.user.is_superuser and not is_without_link
