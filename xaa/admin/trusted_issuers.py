"""The console's list and page of trusted issuers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache

from authz import audit
from authz.console.model_admin import ConsoleAdmin, changed_fields, person
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets.display import chip, count, foreign
from authz.console.widgets.tasks import MAX_TASKS, Task, many
from authz.console.widgets.toolbar import Tool
from xaa.admin import proposals
from xaa.admin.assertion_test import assertion_view
from xaa.admin.issuer_keys import health_line, inline_line
from xaa.admin.signal_sources import lines_of
from xaa.admin.trusted_issuer_form import TrustedIssuerForm
from xaa.admin.workloads import WorkloadInline
from xaa.events import Event
from xaa.models import (
    SignInClient,
    TrustedIssuer,
)
from xaa.openid import backchannel_logout
from xaa.sign_in import secret
from xaa.sign_in.adapter import provider_id
from xaa.sign_in.provider import callback_url
from xaa.trusted_issuers import presets


class HealthFilter(admin.SimpleListFilter):
    title = "health"
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (("failing", "Its keys cannot be fetched"),)

    def queryset(self, request: HttpRequest, queryset: QuerySet[TrustedIssuer]) -> QuerySet[TrustedIssuer]:
        return queryset.filter(FAILING) if self.value() == "failing" else queryset


# In the environment of a request: what became of the form.
_PROPOSED, _OFF = "gatehouse.issuer_change_proposed", "gatehouse.issuer_saved_off"
FAILING = Q(enabled=True, health__failures__gt=0)


_SIGN_IN = (
    "sign_in_client_id", "sign_in_secret", "sign_in_scopes", "redirect_uri", "logout_address", "sign_in_vouches",
    "sign_in_logout_ends",
)  # fmt: skip


@admin.register(TrustedIssuer, site=console)
class TrustedIssuerAdmin(ConsoleAdmin):
    place = Place("Trust", "Trusted issuers", "shield", tab="Issuers", order=2)
    introduction = (
        "Issuers whose assertions are accepted, and for which uses. Disabling one ends every authorization that rests"
        " on it."
    )
    empty_text = "No issuer is trusted yet, so no assertion is accepted."
    form = TrustedIssuerForm
    inlines = (WorkloadInline,)
    list_display = ("who", "state", "believed_for", "people", "keys")
    list_filter = (HealthFilter,)
    list_select_related = ("health", "proposed")
    search_fields = ("name", "issuer")
    fieldsets = (
        (None, {"fields": ("name", "issuer", "enabled", "accepts", "jwks_uri", "jwks", "keys")}),
        ("People", {"fields": ("match", "create", "groups_claim", "tenants", "email_trusted", "email_domains")}),
        ("ID-JAGs", {"fields": ("aud_tenant",)}),
        ("Clients without a secret", {"fields": ("public_clients", "public_client_lifetime")}),
        ("ID tokens", {"fields": ("client_ids", "trusted_audiences")}),
        ("Workloads", {"fields": ("audience", "max_lifetime", "reuse")}),
        ("Signing in", {"fields": _SIGN_IN}),
        ("Signals", {"fields": ("signals",)}),
    )
    readonly_fields = ("redirect_uri", "logout_address", "keys", "signals")
    change_form_template = "console/trusted_issuer.html"

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The form of a preset (`?preset=okta`): filled in, to be looked at and saved."""
        chosen = presets.PRESETS.get(request.GET.get("preset", ""))
        if chosen is None:
            return {}
        keys = dict(chosen.keys)
        subjects = keys.pop("subjects", {})
        if subjects:
            keys |= {name: subjects[name] for name in ("match", "create", "tenants")}
            keys["groups_claim"] = subjects["groups"]
        return {"name": chosen.label, "issuer": chosen.issuer if chosen.is_fixed else "", **keys}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        name = request.GET.get("preset", "")
        offered = {"presets": presets.PRESETS, "preset": presets.PRESETS.get(name), "preset_name": name}
        answer: HttpResponse = super().add_view(request, form_url, {**(extra_context or {}), **offered})
        return answer

    @admin.display(description="Redirect URI")
    def redirect_uri(self, row: TrustedIssuer) -> str:
        """The redirect URI to register at the issuer."""
        return callback_url(provider_id(row.issuer)) if row.pk else "Shown after saving. The issuer needs it."

    @admin.display(description="Back-channel logout URI")
    def logout_address(self, row: TrustedIssuer) -> str:
        """Where the issuer says that a person has signed out there."""
        return backchannel_logout.address()

    @admin.display(description="Client secret")
    def sign_in_secret(self, row: TrustedIssuer) -> str:
        """What people see who may not change it."""
        client = getattr(row, "sign_in", None)
        return "There is one." if client and client.secret else "—"

    def save_model(self, request: HttpRequest, obj: TrustedIssuer, form: Any, change: bool) -> None:
        given = form.cleaned_data
        counts = change and TrustedIssuer.objects.filter(pk=obj.pk, enabled=True).exists()
        # Who signs in changes only after a test. What takes access away never waits.
        will_sign_in = obj.enabled and bool(given["sign_in_client_id"])
        if counts and will_sign_in and proposals.touches_sign_in(form.changed_data):
            columns = {name: given[name] for name in form.changed_data if name in TrustedIssuerForm.Meta.fields}
            proposals.keep(obj, columns, given, person(request))
            request.META[_PROPOSED] = True
            return
        if not counts and will_sign_in:
            obj.enabled = False
            request.META[_OFF] = True
        super().save_model(request, obj, form, change)
        if not given["sign_in_client_id"]:
            SignInClient.objects.filter(issuer=obj).delete()
            return
        values = {"client_id": given["sign_in_client_id"], **proposals.client_values(given)}
        if given["sign_in_secret"]:
            values["secret"] = secret.sealed(given["sign_in_secret"], obj.pk)
        SignInClient.objects.update_or_create(issuer=obj, defaults=values)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        if not request.META.get(_PROPOSED):
            return super().log_change(request, obj, message)
        detail = {"issuer": obj.issuer, "by": request.user.get_username(), "changed": changed_fields(message)}
        audit.record(Event.CHANGE_PROPOSED, subject=str(person(request).subject), detail=detail)
        return None

    def response_add(self, request: HttpRequest, obj: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._to_be_tested(request, obj) or super().response_add(request, obj, *args, **kwargs)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return self._to_be_tested(request, obj) or super().response_change(request, obj)

    def _to_be_tested(self, request: HttpRequest, obj: TrustedIssuer) -> HttpResponse | None:
        if request.META.get(_PROPOSED):
            messages.warning(
                request, "The change is kept, and not in force yet: it changes who signs in. Test it here."
            )
        elif request.META.get(_OFF):
            messages.warning(request, "The issuer is saved, and does not count yet. Test it here, then switch it on.")
        else:
            return None
        return HttpResponseRedirect(reverse("admin:xaa_trustedissuer_setup", args=[obj.pk]))

    @admin.display(description="issuer", ordering="issuer")
    def who(self, row: TrustedIssuer) -> SafeString:
        return foreign(row.name or row.issuer, sub=row.issuer)

    @admin.display(description="state", ordering="enabled")
    def state(self, row: TrustedIssuer) -> SafeString:
        if not row.enabled:
            return chip("Disabled", "bad")
        trusted = chip("Trusted", "good")
        return format_html("{} {}", trusted, chip("Change waits", "caution")) if hasattr(row, "proposed") else trusted

    @admin.display(description="accepted for")
    def believed_for(self, row: TrustedIssuer) -> str:
        names = dict(TrustedIssuer.Use.choices)
        told = ", ".join(names[use] for use in row.accepts if use in names) or "nothing"
        hosts = ", ".join(row.public_clients)
        return f"{told}; without a secret from {hosts}" if hosts else told

    @admin.display(description="people")
    def people(self, row: Any) -> SafeString:
        url = f"{reverse('admin:xaa_subjectlink_changelist')}?issuer__id__exact={row.pk}"
        return format_html('<a href="{}">{} linked</a>', url, count(row.linked))

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrustedIssuer]:
        rows: QuerySet[TrustedIssuer] = super().get_queryset(request).annotate(linked=Count("links"))
        return rows

    def tasks(self, request: HttpRequest, now: datetime) -> list[Task]:
        """Issuers whose keys cannot be fetched. Their assertions are refused once the last keys are too old."""
        if not self.has_view_permission(request) or not (
            failing := TrustedIssuer.objects.filter(FAILING)[:MAX_TASKS].count()
        ):
            return []
        url = f"{reverse('admin:xaa_trustedissuer_changelist')}?health=failing"
        text = many(failing, "The keys of 1 issuer cannot be fetched", "The keys of {} issuers cannot be fetched")
        return [Task(text, url, "Look", "key")]

    def tools(self, request: HttpRequest, obj: TrustedIssuer | None) -> Sequence[Tool]:
        found = []
        if obj is not None:
            if self.has_change_permission(request):
                found.append(Tool("Set up and test", reverse("admin:xaa_trustedissuer_setup", args=[obj.pk]), ""))
            links = reverse("admin:xaa_subjectlink_changelist")
            found.append(Tool("Linked people", f"{links}?issuer__id__exact={obj.pk}"))
        if request.user.is_superuser:
            found.append(Tool("Test an assertion", reverse("admin:xaa_trustedissuer_test")))
        return found

    def _add_tool(self, request: HttpRequest) -> tuple[Tool, ...]:
        return (
            (Tool("Add trusted issuer", reverse("admin:add_issuer"), ""),) if self.has_add_permission(request) else ()
        )

    def get_urls(self) -> list[URLPattern]:
        own = path("test/", self.admin_site.admin_view(never_cache(assertion_view)), name="xaa_trustedissuer_test")
        return [own, *super().get_urls()]

    @admin.display(description="keys")
    def keys(self, row: TrustedIssuer) -> SafeString | str:
        return format_html("{}{}", inline_line(row), health_line(getattr(row, "health", None)))

    @admin.display(description="streams of events")
    def signals(self, row: TrustedIssuer) -> SafeString | str:
        """How the issuer's streams of security events are."""
        return lines_of(row)

    def cut_off_as(self, obj: TrustedIssuer) -> tuple[str, str] | None:
        return "issuer", obj.issuer
