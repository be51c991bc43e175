"""`{% icon "warning" %}`: one symbol of `icons.svg`. It only decorates: the words beside it say the same."""

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

# Symbol → what it stands for. A symbol has one meaning on all pages.
ICONS = {
    "mark": "Gatehouse",
    "menu": "open or close the navigation",
    "home": "the console's home",
    "search": "search",
    "inbox": "a request that waits for a decision",
    "end": "end access",
    "agent": "an agent",
    "server": "an MCP server",
    "rule": "a rule",
    "reach": "who reaches what",
    "link": "an authorization",
    "globe": "a host that vouches for an agent",
    "shield": "a trusted issuer",
    "out": "another organisation's authorization server",
    "person": "a person",
    "list": "the audit",
    "bell": "a notification",
    "key": "a signing key",
    "token": "what an agent gets",
    "check": "done, or passed",
    "info": "a hint",
    "warning": "a warning",
    "stop": "refused",
    "clock": "wait",
}


@register.simple_tag
def icon(name: str, css: str = "icon") -> SafeString:
    """The symbol, hidden from screen readers. An unknown name is a mistake in the template: KeyError."""
    if name not in ICONS:
        raise KeyError(name)
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>', css, static("gatehouse/icons.svg"), name
    )
