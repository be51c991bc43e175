"""What a page that only shows things says of a field: as the form calls it, and in words where Django has a picture,
JSON, or nothing for what only the form knows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.helpers import AdminReadonlyField
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.template.defaultfilters import linebreaksbr
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Shown:
    label: str
    help_text: str
    contents: SafeString | str


def shown(field: AdminReadonlyField) -> Shown:
    name = field.field["name"]
    # What a form declares stays in it for those, too, who may not change anything.
    asked = field.form.fields.get(name)
    contents = _contents(field, name, is_asked=asked is not None)
    if asked is None:
        return Shown(capfirst(field.field["label"]), field.field["help_text"], contents)
    return Shown(capfirst(str(asked.label or field.field["label"])), str(asked.help_text), contents)


def _contents(field: AdminReadonlyField, name: str, *, is_asked: bool) -> SafeString | str:
    try:
        column = field.form.instance._meta.get_field(name)
    except FieldDoesNotExist:
        column = None
    if isinstance(column, models.BooleanField):
        return _word(getattr(field.form.instance, name))
    if not is_asked and isinstance(column, models.JSONField):
        # Words, one a line, as in the form.
        words = getattr(field.form.instance, name)
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return _value("\n".join(words), ())
    # What a page has a method for it says by that, and other objects are links.
    has_words = hasattr(field.model_admin, name) if column is None else column.is_relation
    if not is_asked or has_words:
        return field.contents() or NOTHING
    asked = field.form[name]
    # For people who may not change it, the form has no values of the row.
    kept = None if column is None else asked.field.prepare_value(column.value_from_object(field.form.instance))
    return _value(asked.value() if column is None else kept, getattr(asked.field, "choices", ()))


def _value(value: Any, choices: Iterable[tuple[Any, Any]]) -> SafeString | str:
    words = {str(choice): label for choice, label in choices}
    if isinstance(value, list | tuple):
        return format_html_join(", ", "{}", ((words.get(str(one), one),) for one in value)) or NOTHING
    if isinstance(value, bool):
        return _word(value)
    text = "" if value is None else str(value)
    return linebreaksbr(words.get(text, text)) or NOTHING


def _word(value: bool | None) -> str:
    return NOTHING if value is None else "Yes" if value else "No"
