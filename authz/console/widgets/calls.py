"""A call of a tool as a sentence, and where the calls of an agent, an MCP server or a person are listed."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authz.audit import Event
from authz.audit.headlines import headline
from authz.console.widgets.toolbar import Tool
from authz.models import AuditEvent
from authz.policy import Unusual

_BECAME = {
    Event.CALL_ALLOWED.value: "allowed",
    Event.CALL_DENIED.value: "denied",
    Event.CALL_HELD.value: "held for an approval",
}


def sentence(event: AuditEvent, called: Mapping[str, str] | None = None) -> SafeString | str:
    """`Call of pay_out allowed`, with what is unusual about it; `Call of search denied, reported by Wiki server`; of
    other events the headline.

    `called`: the names of agents by client_id.
    """
    detail = event.detail
    tool = detail.get("tool") or detail.get("method")
    if not isinstance(tool, str) or event.event not in {*_BECAME, Event.CALL_REPORTED.value}:
        return headline(event.event)
    how = _unusual(detail)
    if event.event != Event.CALL_REPORTED.value:
        return format_html("Call of <bdi>{}</bdi> {}{}", tool, _BECAME[event.event], how)
    reporter = str(detail.get("reported_by", ""))
    became = "allowed" if detail.get("decision") is True else "denied"
    name = (called or {}).get(reporter, reporter)
    told = 'Call of <bdi>{}</bdi> {}, reported by <bdi title="{}">{}</bdi>{}'
    return format_html(told, tool, became, reporter, name, how)


def _unusual(detail: Mapping[str, Any]) -> SafeString | str:
    """What is unusual about a call, with the figures of then."""
    found, figures = detail.get("unusual", ()), detail.get("calls")
    said = ["first use"] if Unusual.FIRST_USE in found else []
    if Unusual.VOLUME in found and isinstance(figures, Mapping):
        said.append(f"call {figures.get('today')} of a day, of which {figures.get('usual')} are usual")
    return format_html_join("", ' <span class="chip caution">{}</span>', ((words,) for words in said))


def link(request: HttpRequest, *, in_menu: bool = False, **of: str) -> list[Tool]:
    """The button “Calls” to those of a `client_id`, `subject` or `resource`, for people who may read the audit."""
    if not request.user.has_perm("authz.view_auditevent"):
        return []
    query = urlencode({**of, "calls": "all"})
    return [Tool("Calls", f"{reverse('admin:authz_auditevent_changelist')}?{query}", in_menu=in_menu)]
