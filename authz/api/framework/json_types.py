"""JSON is typed: a text is no number and no switch. The serializers of the configuration file would convert them, since
YAML guesses types.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework import serializers

from authz.api.framework.problems import Problem, escaped

_SENTENCES = {
    serializers.BooleanField: (bool, "must be true or false"),
    serializers.IntegerField: (int, "must be a number"),
    serializers.CharField: (str, "must be text"),
}


def check(serializer: serializers.Serializer[Any], given: Mapping[str, Any]) -> None:
    """Raises `Problem` that names each member of another type."""
    if errors := list(_wrong(serializer, given, "#")):
        raise Problem(422, f"{errors[0][0][2:]}: {errors[0][1]}", errors=errors)


def _wrong(field: Any, value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(field, serializers.Serializer) and isinstance(value, Mapping):
        for name, inner in value.items():
            if name in field.fields:
                yield from _wrong(field.fields[name], inner, f"{pointer}/{escaped(name)}")
    elif isinstance(field, serializers.ListSerializer | serializers.ListField) and isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _wrong(field.child, inner, f"{pointer}/{index}")
    else:
        for kind, (type_, sentence) in _SENTENCES.items():
            is_number = isinstance(value, bool) and type_ is int
            if isinstance(field, kind) and (not isinstance(value, type_) or is_number):
                yield pointer, sentence
