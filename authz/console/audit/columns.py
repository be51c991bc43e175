"""How the list of audit events shows a row."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authz.audit.calls import CALLS
from authz.console.widgets import calls, names
from authz.console.widgets.display import chip
from authz.models import AuditEvent

# The prefix of the longer grant types.
GRANT_PREFIX = "urn:ietf:params:oauth:grant-type:"


def add_names(events: Sequence[Any]) -> None:
    """Add the names of agents, people and MCP servers to the rows of a page."""
    reporters = [str(event.detail.get("reported_by", "")) for event in events]
    agents = names.of_agents([*(event.client_id for event in events), *reporters])
    people = names.of_people(event.subject for event in events)
    servers = names.of_servers(event.resource for event in events)
    for event in events:
        event.agent_name = agents.get(event.client_id, "")
        event.person_name = people.get(event.subject, "")
        event.server_name = servers.get(event.resource, "")
        event.called = agents


def _named(value: str, name: str) -> SafeString | str:
    """The name, with the identifier in the tooltip."""
    if not value:
        return "—"
    return format_html('<bdi class="foreign" title="{}">{}</bdi>', value, name or value)


def _in_short(event: AuditEvent) -> SafeString:
    """By which grant, which scopes; or what was changed, and who did it."""
    detail = event.detail
    told = [detail.get(key) for key in ("grant_type", "scope", "kind", "name", "by")]
    parts = [value.removeprefix(GRANT_PREFIX) for value in told if isinstance(value, str) and value]
    parts += [str(label) for label in detail.get("labels", ())] if event.event in CALLS else []
    return format_html('<bdi class="foreign one-line">{}</bdi>', " · ".join(parts[:3]))


class AuditColumns:
    """The display methods of `AuditAdmin`. Each takes an event and returns text or safe HTML."""

    @admin.display(description="time (UTC)")
    def at(self, event: AuditEvent) -> SafeString:
        return format_html('<time datetime="{}">{}</time>', event.time.isoformat(), f"{event.time:%Y-%m-%d %H:%M:%S}")

    @admin.display(description="event")
    def what(self, event: Any) -> SafeString:
        reason = format_html(" {}", chip(event.reason.replace("_", " "), "bad")) if event.reason else ""
        code = format_html('<code class="soft small">{}</code>', event.event)
        told = calls.sentence(event, event.called)
        return format_html('{}{} {}<span class="sub">{}</span>', told, reason, code, _in_short(event))

    @admin.display(description="agent")
    def agent(self, event: Any) -> SafeString | str:
        return _named(event.client_id, event.agent_name)

    @admin.display(description="person")
    def acts_for(self, event: Any) -> SafeString | str:
        return _named(event.subject if event.subject != event.client_id else "", event.person_name)

    @admin.display(description="MCP server")
    def server(self, event: Any) -> SafeString | str:
        return _named(event.resource, event.server_name)

    @admin.display(description="from")
    def origin(self, event: AuditEvent) -> str:
        return event.address or "—"
