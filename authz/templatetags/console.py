"""Tags and filters for the console's templates."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django import template
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from authz.audit import headlines
from authz.conf import conf
from authz.console.widgets import calls, display, names, reasons, sentences
from authz.console.widgets.shown import shown
from authz.console.widgets.toolbar import Tool, Toolbar, arranged
from authz.models import AuditEvent, ProtectedResource, User
from authz.policy import Rule
from authz.sign_in import demanded_factor

register = template.Library()
_CODE = re.compile("`([^`]+)`")


@register.filter
def when(moment: datetime | None) -> SafeString | str:
    return display.when(moment)


@register.simple_tag(takes_context=True)
def server_name(context: template.Context, resource: ProtectedResource) -> SafeString:
    """An MCP server by its name; with its identifier, where another one is called alike. One query a page."""
    request = context.get("request")
    shared = getattr(request, "shared_server_names", None)
    if shared is None:
        shared = names.shared_by_servers()
        if request is not None:
            request.shared_server_names = shared
    if resource.name and resource.name not in shared:
        return format_html("<bdi>{}</bdi>", resource.name)
    if not resource.name:
        return format_html('<bdi dir="ltr">{}</bdi>', resource.identifier)
    return format_html(
        '<bdi>{}</bdi> <code class="soft"><bdi dir="ltr">{}</bdi></code>', resource.name, resource.identifier
    )


@register.filter
def headline(event: str) -> str:
    return headlines.headline(event)


@register.filter
def told(event: AuditEvent) -> str:
    """An event in a few words; a call of a tool with the tool's name."""
    return calls.sentence(event)


@register.filter
def with_code(text: str) -> SafeString:
    """An explanation of ours as HTML: what stands between backticks is code."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S308  escaped


@register.filter
def why(event: AuditEvent) -> reasons.Told:
    """What the event's reason means, what to do about it, and where."""
    return reasons.told(event)


@register.simple_tag
def passkeys_fit() -> bool:
    """Whether this server's address is one that passkeys can be bound to."""
    return demanded_factor.has_a_name(conf.origin)


@register.simple_tag
def is_anybody_there() -> bool:
    """Whether there is any account yet."""
    return User.objects.exists()


@register.simple_tag
def cells(row: Iterable[str], headers: Sequence[Mapping[str, Any]]) -> SafeString:
    """The cells of a list's row, each with its column's title: on a phone a row is a card without a head."""
    told = ((cell, str(header["text"])) for cell, header in zip(row, headers, strict=True))
    # Django has rendered the cells; what is added is a title of ours.
    return mark_safe("".join(_labelled(cell, text) for cell, text in told))  # noqa: S308


def _labelled(cell: str, text: str) -> str:
    if not text or "<" in text or not cell.startswith("<td"):
        return str(cell)
    return format_html('<td data-label="{}"', capfirst(text)) + str(cell).removeprefix("<td")


@register.filter
def named(names: Mapping[str, str], key: str) -> str:
    """The name, or the identifier if there is none: `names|named:client_id`."""
    return names.get(key) or key


@register.filter
def server(names: Mapping[str, str], identifier: str) -> SafeString:
    """An MCP server as people call it, with what it is in the tooltip: `names|server:identifier`."""
    return sentences.server(identifier, names)


@register.filter
def any_server(names: Mapping[str, str], rule: Rule) -> SafeString | str:
    """The MCP servers of a rule: `names|any_server:rule`."""
    if not rule.resources or "*" in rule.resources:
        return "any server" if rule.resources else "no server"
    return sentences.any_of(rule.resources, names)


@register.filter
def sentence(names: Mapping[str, str], rule: Rule) -> SafeString:
    """What a rule says: `names|sentence:rule`."""
    return sentences.in_words(rule, names)


register.filter(shown)


@register.filter
def toolbar(tools: Iterable[Tool] | None) -> Toolbar:
    """The buttons above a page: `tools|toolbar`."""
    return arranged(tools or ())


@register.filter
def spaced(name: str) -> str:
    """`client_secret_wrong` → `client secret wrong`."""
    return name.replace("_", " ")


@register.filter
def words(name: str) -> str:
    """A field's name as words: `grant_types` → `Grant types`."""
    return name.replace("_", " ").replace(".", ": ").capitalize()
