"""Types are strict, in every section of the file and in the API: a text is no number and no switch, and a number is no
text. What is converted silently is another value than the one that was written (`username: 007` is the number 7).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework import serializers

from authz.configuration.document import Path
from authz.policy import value_kinds

# What DRF says of a value whose type is refused here.
CODES = frozenset({"invalid", "not_a_list", "not_a_dict"})


def wrong(field: Any, value: Any, path: Path = (), *, is_secret: bool = False) -> Iterator[tuple[Path, str]]:
    """(path, problem) of each value of another type than its serializer's field takes, at every depth."""
    if value is None:
        return  # whether there may be nothing is the field's own rule
    is_secret = is_secret or bool(getattr(field, "write_only", False))
    wanted, types = _wanted(field)
    if wanted and (not isinstance(value, types) or (isinstance(value, bool) and types is not bool)):
        yield path, value_kinds.refusal(wanted, value, is_secret=is_secret)
    elif isinstance(field, serializers.Serializer):
        for name, inner in value.items():
            if name in field.fields:
                yield from wrong(field.fields[name], inner, (*path, name), is_secret=is_secret)
    elif isinstance(value, list) and isinstance(field, serializers.ListSerializer | serializers.ListField):
        for index, inner in enumerate(value):
            yield from wrong(field.child, inner, (*path, index), is_secret=is_secret)
    elif isinstance(field, serializers.DictField) and not isinstance(field, serializers.JSONField):
        for name, inner in value.items():
            yield from wrong(field.child, inner, (*path, name), is_secret=is_secret)


def _wanted(field: Any) -> tuple[str, Any]:
    """What a field takes, in words and as Python's types; "" where the field itself looks."""
    if isinstance(field, serializers.BooleanField):
        return "true or false", bool
    if isinstance(field, serializers.IntegerField):
        return "a whole number", int
    if isinstance(field, serializers.CharField | serializers.SlugRelatedField):
        return "text", str
    if isinstance(field, serializers.ListField) and getattr(field, "TAKES_ONE", False):
        return "text or a list", (str, list)
    if isinstance(field, serializers.ListSerializer):
        return "a list of mappings", list
    if isinstance(field, serializers.ListField):
        return "a list", list
    if isinstance(field, serializers.Serializer | serializers.DictField):
        return "a mapping", Mapping
    return "", object
