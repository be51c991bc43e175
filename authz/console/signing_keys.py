"""Signing keys: which are published, which sign, which are on their way out."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authz import keys
from authz.console.model_admin import ReadOnlyAdmin
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets import key_timeline
from authz.console.widgets.display import chip, code, when
from authz.console.widgets.toolbar import Tool
from authz.models import SigningKey


@admin.register(SigningKey, site=console)
class SigningKeyAdmin(ReadOnlyAdmin):
    place = Place("Operate", "Signing keys", "key", order=4)
    introduction = (
        "A new key is published before it signs, and stays published until the last token it signed has expired."
    )
    list_display = ("key", "stage", "published_when", "signs_when", "retired_when", "gone_when")
    change_list_template = "console/key_list.html"
    ordering = ("-published",)
    fields = ("thumbprint", "algorithm", "stage", "published", "signs_from", "retired", "expires", "public_half")
    readonly_fields = fields

    @admin.display(description="key", ordering="alg")
    def key(self, row: SigningKey) -> SafeString:
        return format_html('{}<span class="sub mono">{}</span>', row.alg, row.kid)

    @admin.display(description="key ID (RFC 7638 thumbprint)")
    def thumbprint(self, row: SigningKey) -> SafeString:
        return code(row.kid)

    @admin.display(description="algorithm")
    def algorithm(self, row: SigningKey) -> str:
        return row.alg

    @admin.display(description="public half, as in the JWKS")
    def public_half(self, row: SigningKey) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(row.public_jwk, indent=2))

    @admin.display(description="stage")
    def stage(self, row: SigningKey) -> SafeString:
        now = datetime.now(UTC)
        if row.expires and row.expires <= now:
            return chip("Gone")
        if row.retired and row.retired <= now:
            return chip("Retired, still published", "caution")
        return chip("Signing", "good") if row.signs_from <= now else chip("Published, signs soon", "caution")

    @admin.display(description="published", ordering="published")
    def published_when(self, row: SigningKey) -> SafeString | str:
        return when(row.published)

    @admin.display(description="signs from")
    def signs_when(self, row: SigningKey) -> SafeString | str:
        return when(row.signs_from)

    @admin.display(description="stops signing")
    def retired_when(self, row: SigningKey) -> SafeString | str:
        return when(row.retired, never="—")

    @admin.display(description="leaves the JWKS")
    def gone_when(self, row: SigningKey) -> SafeString | str:
        return when(row.expires, never="—")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        rows = SigningKey.objects.order_by("alg", "published").values_list(
            "kid", "alg", "published", "signs_from", "retired", "expires"
        )
        tracks = key_timeline.timeline((key_timeline.Key(*row) for row in rows), datetime.now(UTC))
        return super().changelist_view(request, {"timeline": tracks, **(extra_context or {})})

    def tools(self, request: HttpRequest, obj: SigningKey | None) -> Sequence[Tool]:
        if obj is None and request.user.is_superuser:
            return [
                Tool(f"Rotate {alg}", reverse("admin:authz_signingkey_rotate", args=[alg])) for alg in keys.ALGORITHMS
            ]
        return ()

    def get_urls(self) -> list[URLPattern]:
        return [
            path("rotate/<str:alg>/", self.admin_site.admin_view(self.rotate_view), name="authz_signingkey_rotate"),
            *super().get_urls(),
        ]

    def rotate_view(self, request: HttpRequest, alg: str) -> HttpResponse:
        if not request.user.is_superuser:
            raise PermissionDenied
        if alg not in keys.ALGORITHMS:
            return HttpResponseRedirect(reverse("admin:authz_signingkey_changelist"))
        if request.method == "POST":
            successor = keys.rotate(alg, now=datetime.now(UTC))
            messages.success(
                request, f"A new {alg} key is published. It signs from {successor.signs_from:%H:%M} UTC on."
            )
            return HttpResponseRedirect(reverse("admin:authz_signingkey_changelist"))
        hours = int(keys.PUBLISHED_AHEAD.total_seconds() // 3600)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Rotate the {alg} key?",
            "consequence": f"A new key is published now and signs in {hours} hours, when every MCP server has read it."
            " The old one stays published until its last token has expired.",
            "button": "Rotate",
            "back": Tool("Signing keys", reverse("admin:authz_signingkey_changelist")),
        }
        return TemplateResponse(request, "console/confirm.html", context)
