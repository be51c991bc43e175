"""The sections of the file, what there is in each, and the export."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol, cast

import yaml
from django.db.models import QuerySet
from rest_framework.serializers import Serializer

from authz.conf import conf
from authz.keys.secrets_at_rest import UNREADABLE


class Section(Protocol):
    """One top-level key of the file.

    `rows()` are its items in the export's order, and `as_item` gives one of them in the file's form, for the export and
    for the diff. `LOOKUP` is the field of the natural key. `write` creates or changes one validated item; `remove`
    removes one. `SECRET` names members whose values are never shown.

    A section may have `check_together(items)`: it raises errors about several validated items of one file, nested by
    their index as DRF does.

    A section may have `annotations(item)`: additional members of an item in the API, under the names of `ANNOTATIONS`.

    A section with `SINGLE = True` is one mapping instead of a list. In one with `TOUCHES_OTHERS = True` writing an item
    may change another. `LOCAL` names members that only a file on this machine may have. `stays(items)` says what stays
    as it is though a file's items say otherwise (`LeftOut.leavers`).
    """

    KEY: str
    LOOKUP: str
    SERIALIZER: type[Serializer[Any]]
    SECRET: frozenset[str]

    def natural_key(self, item: Mapping[str, Any]) -> str: ...
    def rows(self) -> QuerySet[Any]: ...
    def as_item(self, row: Any) -> dict[str, Any]: ...
    def write(self, item: Mapping[str, Any]) -> None: ...
    def remove(self, key: str) -> None: ...


def items(section: Section, key: str | None = None) -> dict[str, dict[str, Any]]:
    """What there is, by natural key, in the file's own form with secrets as they are stored; or only one of it."""
    rows = section.rows()
    if key is not None and not getattr(section, "SINGLE", False):
        rows = rows.filter(**{section.LOOKUP: key})
    found = (section.as_item(row) for row in rows)
    return {section.natural_key(item): item for item in found}


def all_sections() -> list[Section]:
    return [cast(Section, import_module(path)) for path in conf.configuration_sections]


def export() -> str:
    """The current configuration in the file's form, without secrets. Applying it changes nothing.

    Comments at its head name secrets that can no longer be decrypted.
    """
    lost = "".join(f"# {sentence}\n" for sentence in unreadable())
    return lost + yaml.safe_dump(exported(), sort_keys=False, allow_unicode=True, width=110)


def unreadable() -> list[str]:
    """A sentence for each secret that is under none of our keys; applying the item with a new one mends it."""
    return [
        f"{section.KEY}: {ascii(key)[1:-1]}: none of our keys opens its {member}: apply it with a new one, or give the"
        " key in GATEHOUSE_SECRET_KEY_FALLBACKS."
        for section in all_sections()
        for key, item in items(section).items()
        for member in sorted(section.SECRET)
        if item.get(member) == UNREADABLE
    ]


def exported() -> dict[str, Any]:
    """The export as data."""
    data: dict[str, Any] = {}
    for section in all_sections():
        current = [presented(section, item) for item in items(section).values()]
        if not getattr(section, "SINGLE", False):
            data[section.KEY] = current
        elif current:
            data[section.KEY] = current[0]
    return data


def presented(section: Section, item: Mapping[str, Any]) -> dict[str, Any]:
    """An item without secrets and empty members, as readers see it."""
    return {k: v for k, v in item.items() if k not in section.SECRET and v not in (None, "")}
