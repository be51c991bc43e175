"""How the console shows an agent: the columns of the list, and the read-only lines of its page."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authz import registry
from authz.approvals import succession
from authz.console.agents.reach import reach_in_short
from authz.console.widgets.display import STATUS_TONES, chip, foreign, when
from authz.models import Client
from authz.models.client import is_of_kind

Status = Client.Status


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"
    KINDS = (
        ("registered", "Registered"),
        ("dynamic", "Registered by itself (DCR)"),
        ("cimd", "Metadata document (CIMD)"),
        ("workload", "Workload"),
    )

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return self.KINDS

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        return queryset.filter(is_of_kind(self.value() or "")) if self.value() else queryset


class AgentColumns:
    """The display methods of `AgentAdmin`. Each takes an agent and returns text or safe HTML."""

    @admin.display(description="Grant types")
    def grants_text(self, client: Client) -> str:
        grants = ", ".join(client.grant_types)
        if client.is_confidential or not registry.public_grants(client.host).intersection(client.grant_types):
            return grants
        # It has these grants without authenticating: a reviewer has to see who allowed that.
        return f"{grants}, without client authentication: an administrator has named the host {client.host}"

    @admin.display(description="Redirect URIs")
    def redirects_text(self, client: Client) -> SafeString | str:
        return format_html_join("", "<code>{}</code><br>", ((uri,) for uri in client.redirect_uri_list)) or "—"

    @admin.display(description="Keys")
    def keys_text(self, client: Client) -> str:
        inline = (client.client_jwks or {}).get("keys", [])
        return client.client_jwks_uri or (f"{len(inline)} registered here" if inline else "—")

    @admin.display(description="agent", ordering="name")
    def agent(self, client: Client) -> SafeString:
        return foreign(client.name or client.client_id, sub=client.host or client.client_id)

    @admin.display(description="status", ordering="status")
    def status_chip(self, client: Client) -> SafeString:
        if client.status == Status.APPROVED and not client.is_approved(time.time()):
            return chip("Approval ended", "bad")
        return chip(client.get_status_display(), STATUS_TONES[client.status])

    @admin.display(description="status", ordering="approved_until")
    def status_text(self, client: Client) -> SafeString:
        if client.status != Status.APPROVED or client.approved_until is None:
            return self.status_chip(client)
        is_over = client.approved_until <= datetime.now(UTC)
        return format_html(
            '{}<span class="sub">{} {}</span>',
            self.status_chip(client),
            "ended" if is_over else "ends",
            when(client.approved_until),
        )

    @admin.display(description="kind")
    def kind_text(self, client: Client) -> str:
        return {
            "registered": "Registered",
            "dynamic": "Registered by itself",
            "cimd": "Metadata document",
            "workload": "Workload",
        }[client.kind]

    @admin.display(description="owner", ordering="owner__username")
    def owner_name(self, client: Client) -> SafeString:
        if client.owner is None:
            name = format_html('<span class="soft">{}</span>', "no owner")
        else:
            left = "" if client.owner.is_active else " (left)"
            name = format_html("<bdi>{}</bdi>{}", client.owner.username, left)
        if ends := succession.suspended_from(client):
            name = format_html('{}<span class="sub">suspended {}</span>', name, when(ends))
        return format_html(
            '{}<span class="sub"><bdi class="foreign one-line">{}</bdi></span>', name, client.environment
        )

    @admin.display(description="may reach")
    def reaches(self, client: Any) -> SafeString | str:
        return reach_in_short(client, client.server_names)

    @admin.display(description="last seen")
    def last_seen(self, client: Any) -> SafeString | str:
        return when(client.last_event)
