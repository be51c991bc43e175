"""What a change of the configuration renames or removes that rules may name."""

from collections.abc import Mapping
from typing import Any

from authz.policy.renaming import NameChange, Named

# The sections whose items rules name.
NAMED_BY_RULES = frozenset({"clients", "resources"})


def name_changes(section: str, key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[NameChange]:
    """`before` and `after` in the file's form; `after` is empty for what is removed. The key of an item never changes,
    so an item with another key is one that goes and one that comes.
    """
    if section == "clients":
        return [] if after else [NameChange(kind=Named.AGENT, name=key)]
    if section != "resources" or not before:
        return []
    if not after:
        return [NameChange(kind=Named.SERVER, name=key)]
    left = _scopes(after)
    return [NameChange(kind=Named.SCOPE, name=name, server=key) for name in _scopes(before) if name not in left]


def _scopes(item: Mapping[str, Any]) -> list[str]:
    return [scope["name"] for scope in item.get("scopes", ())]
