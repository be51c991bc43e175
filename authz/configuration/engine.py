"""Applying and exporting, whatever the sections are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

import yaml
from django.db import transaction
from rest_framework.serializers import ListSerializer, Serializer, ValidationError

from authz import audit
from authz.conf import conf
from authz.configuration.document import ConfigurationError, Document, Path, read


class Section(Protocol):
    """One top-level key of the file.

    `current()` gives what there is, by natural key, in the file's own form: it is the export and, before and after, the
    diff. `write` makes one item be as validated; `remove` takes one away. `SECRET` names members whose values are never
    shown. A section with `SINGLE = True` is one mapping instead of a list.
    """

    KEY: str
    SERIALIZER: type[Serializer[Any]]
    SECRET: frozenset[str]

    def natural_key(self, item: Mapping[str, Any]) -> str: ...
    def current(self) -> dict[str, dict[str, Any]]: ...
    def write(self, item: Mapping[str, Any]) -> None: ...
    def remove(self, key: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Change:
    """One difference that applying made: `action` is created, changed or removed; values in the file's form."""

    section: str
    key: str
    action: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def lines(self) -> Iterator[str]:
        """The change as a diff for people."""
        sign = {"created": "+", "changed": "~", "removed": "-"}[self.action]
        yield f"{sign} {self.section}: {self.key}"
        for name in dict.fromkeys([*self.before, *self.after]):
            before, after = self.before.get(name), self.after.get(name)
            if self.action == "changed" and before != after:
                yield f"    {name}: {before!r} → {after!r}"
            elif self.action == "created" and after not in (None, "", [], {}):
                yield f"    {name}: {after!r}"


class _DryRunError(Exception):
    """Ends the transaction of a dry run."""


def apply(text: str, *, prune: bool = False, dry_run: bool = False) -> list[Change]:
    """Make the configuration be what the file says, all of it or nothing. Raises `ConfigurationError`.

    `prune` removes what the file's sections do not name (sections that are not in the file are left alone).
    """
    document = read(text)
    sections = {section.KEY: section for section in all_sections()}
    for key in document.data:
        if key not in sections:
            raise _located(document, (key,), f"is not a known section; there are {', '.join(sections)}")
    changes: list[Change] = []
    try:
        with transaction.atomic():
            for key, section in sections.items():
                if key in document.data:
                    changes += _apply_section(section, document, prune=prune)
            if dry_run:
                raise _DryRunError
            for change in changes:
                _record(change)
    except _DryRunError:
        pass
    return changes


def all_sections() -> list[Section]:
    return [cast(Section, import_module(path)) for path in conf.configuration_sections]


def export() -> str:
    """What there is, in the file's form, without secrets: applying it changes nothing."""
    data: dict[str, Any] = {}
    for section in all_sections():
        current = [_without_empty(item, section) for item in section.current().values()]
        if not getattr(section, "SINGLE", False):
            data[section.KEY] = current
        elif current:
            data[section.KEY] = current[0]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def _without_empty(item: Mapping[str, Any], section: Section) -> dict[str, Any]:
    return {k: v for k, v in item.items() if k not in section.SECRET and v not in (None, "")}


def _apply_section(section: Section, document: Document, *, prune: bool) -> list[Change]:
    data = document.data[section.KEY]
    is_single = getattr(section, "SINGLE", False)
    items = [data] if is_single else data
    if items is None:
        items = []
    if not isinstance(items, list):
        raise _located(document, (section.KEY,), "must be a list")
    before = section.current()
    named: dict[str, Path] = {}
    for index, item in enumerate(items):
        path: Path = (section.KEY,) if is_single else (section.KEY, index)
        validated = _validated(section, item, path, document)
        key = section.natural_key(validated)
        if key in named:
            raise _located(document, path, f"{key} is there twice")
        named[key] = path
        try:
            section.write(validated)
        except ValidationError as error:
            raise _first(error, path, document) from None
    if prune and not is_single:
        for key in before:
            if key not in named:
                section.remove(key)
    return list(_differences(section, before, section.current()))


def _validated(section: Section, item: object, path: Path, document: Document) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise _located(document, path, "must be a mapping")
    _refuse_unknown(section.SERIALIZER(), item, path, document)
    serializer = section.SERIALIZER(data=item)
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        raise _first(error, path, document) from None
    return cast(Mapping[str, Any], serializer.validated_data)


def _refuse_unknown(serializer: Any, item: Mapping[str, Any], path: Path, document: Document) -> None:
    """A misspelt key that is skipped silently is a setting that somebody believes in; at every depth."""
    for name, value in item.items():
        field = serializer.fields.get(name)
        if field is None:
            raise _located(document, (*path, name), "is not a known key")
        if isinstance(field, Serializer) and isinstance(value, dict):
            _refuse_unknown(field, value, (*path, name), document)
        if isinstance(field, ListSerializer) and isinstance(value, list):
            for index, member in enumerate(value):
                if isinstance(member, dict):
                    _refuse_unknown(field.child, member, (*path, name, index), document)


def _first(error: ValidationError, path: Path, document: Document) -> ConfigurationError:
    detail: Any = error.detail
    while not isinstance(detail, str):
        if isinstance(detail, dict):
            name, detail = next(iter(detail.items()))
            if name != "non_field_errors":
                path = (*path, name)
        else:
            index, detail = next((i, item) for i, item in enumerate(detail) if item)
            if not isinstance(detail, str):
                path = (*path, index)
    return _located(document, path, str(detail))


def _located(document: Document, path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(path, problem, document.line(path))


def _differences(
    section: Section, before: Mapping[str, dict[str, Any]], after: Mapping[str, dict[str, Any]]
) -> Iterator[Change]:
    for key, item in after.items():
        if key not in before:
            yield Change(section.KEY, key, "created", {}, _shown(section, item))
        elif before[key] != item:
            yield Change(section.KEY, key, "changed", *_shown_both(section, before[key], item))
    for key, item in before.items():
        if key not in after:
            yield Change(section.KEY, key, "removed", _shown(section, item), {})


def _shown(section: Section, item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "(hidden)" if name in section.SECRET and value else value for name, value in item.items()}


def _shown_both(
    section: Section, before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    was, is_now = _shown(section, before), _shown(section, after)
    for name in section.SECRET:
        if before.get(name) != after.get(name):
            was[name], is_now[name] = "(hidden)", "(hidden, changed)"
    return was, is_now


_EVENTS = {
    "created": audit.Event.CONFIGURATION_CREATED,
    "changed": audit.Event.CONFIGURATION_CHANGED,
    "removed": audit.Event.CONFIGURATION_REMOVED,
}


def _record(change: Change) -> None:
    audit.record(
        _EVENTS[change.action],
        client_id=change.key if change.section == "clients" else "",
        resource=change.key if change.section == "resources" else "",
        detail={
            "section": change.section,
            "key": change.key,
            "before": dict(change.before),
            "after": dict(change.after),
        },
    )
