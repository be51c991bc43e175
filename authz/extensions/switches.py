"""Which extensions the configuration switches on, with their settings; and the code of those, loaded once."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

from authz.database import configuration_cache
from authz.extensions import contract, guarded
from authz.extensions.contract import OURS, Brought, ContractError
from authz.extensions.faults import ExtensionFault, note
from authz.extensions.installed import Installed, installed
from authz.models import ExtensionSwitches


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension that is switched on and was loaded."""

    identifier: str
    brought: Brought
    given: Mapping[str, Any]

    def settings(self) -> dict[str, Any]:
        """Its own settings, for it to keep."""
        return {name: copy.deepcopy(value) for name, value in self.given.items() if name not in OURS}

    @property
    def resources(self) -> Sequence[str]:
        """The MCP servers whose access requests and tokens depend on it."""
        return tuple(self.given.get("resources", ()))

    def is_for(self, resource: str) -> bool:
        return bool(resource) and (resource in self.resources or "*" in self.resources)

    def call(self, part: str, *arguments: Any) -> Any:
        """What the function of this name answers. Raises `ExtensionFault`."""
        return guarded.call(self.identifier, part, getattr(self.brought, part), *arguments, self.settings())

    def fault(self, part: str, problem: str) -> ExtensionFault:
        """An answer that is not what the contract says: noted, to be raised."""
        return note(ExtensionFault(self.identifier, part, problem))


def configured() -> Mapping[str, Mapping[str, Any]]:
    """What the configuration says of each extension that it names."""
    return configuration_cache.cached("extensions", _configured)


def _configured() -> Mapping[str, Mapping[str, Any]]:
    row = ExtensionSwitches.objects.first()
    found = row.extensions if row else {}
    return found if isinstance(found, dict) else {}


def switched_on() -> Sequence[str]:
    """Their ids."""
    return [name for name, given in configured().items() if given.get("enabled") is True]


def active(identifier: str) -> Extension:
    """The extension, ready to be called. Raises `ExtensionFault` for one that is off, not installed or broken."""
    given = configured().get(identifier, {})
    if given.get("enabled") is not True:
        raise ExtensionFault(identifier, "switch", "it is not switched on")
    found = installed().get(identifier)
    if found is None:
        raise note(ExtensionFault(identifier, "load", "no package has it"))
    return Extension(identifier, loaded(found), given)


_loaded: dict[str, Brought | str] = {}


def loaded(found: Installed) -> Brought:
    """Its code, imported once in a process. Raises `ExtensionFault`; what failed once fails until a restart."""
    if found.problem:
        raise note(ExtensionFault(found.identifier, "load", f"its id {found.problem}"))
    known = _loaded.get(found.identifier)
    if isinstance(known, str):
        raise note(ExtensionFault(found.identifier, "load", known))
    if known is not None:
        return known
    try:
        read = guarded.call(
            found.identifier, "load", partial(_read, found.entry_point), seconds=guarded.SECONDS_TO_LOAD
        )
    except ExtensionFault as fault:
        _loaded[found.identifier] = fault.problem
        raise
    _loaded[found.identifier] = read
    return read  # type: ignore[no-any-return]


def _read(entry: EntryPoint) -> Brought:
    module = entry.load()
    if not isinstance(module, ModuleType):
        raise ContractError("the entry point names no module")
    return contract.read(module)


def forget() -> None:
    """Load anew (tests)."""
    _loaded.clear()
    installed.cache_clear()
