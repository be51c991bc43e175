"""`{% command "keys ensure" %}`: a command as it is called here, `manage.py …` or `gatehouse …`."""

from django import template

from authz.conf import as_called

register = template.Library()


@register.simple_tag
def command(call: str) -> str:
    return as_called(f"manage.py {call}")
