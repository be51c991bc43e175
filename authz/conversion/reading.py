"""Members of parsed JSON of which nothing is known: a value of another type counts as one that is not there."""

from collections.abc import Iterator, Mapping
from typing import Any


class NotAnExportError(ValueError):
    """The file is none of those that are read here. The text is a sentence."""


def text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value.strip() if isinstance(value, str) else ""


def texts(item: Mapping[str, Any], name: str) -> list[str]:
    value = item.get(name)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def mapping(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def mappings(item: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    value = item.get(name)
    yield from (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def is_true(item: Mapping[str, Any], name: str) -> bool:
    """A boolean, or the text that attributes of Keycloak have instead."""
    return item.get(name) in (True, "true")
