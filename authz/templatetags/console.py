"""What the console's templates ask for."""

from datetime import datetime

from django import template
from django.utils.safestring import SafeString

from authz.console import display
from authz.console.reasons import explain

register = template.Library()


@register.filter
def when(moment: datetime | None) -> SafeString | str:
    return display.when(moment)


@register.filter
def why(reason: str) -> str:
    return explain(reason)


@register.filter
def words(name: str) -> str:
    """A field's name as words: `grant_types` → `Grant types`."""
    return name.replace("_", " ").replace(".", ": ").capitalize()
