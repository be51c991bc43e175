"""The extensions as the console, the API and the command `extensions` list them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authz.extensions import switches
from authz.extensions.contract import OURS, Brought
from authz.extensions.faults import ExtensionFault, Fault, last_faults
from authz.extensions.installed import installed

STATES = ("on", "off", "broken", "not installed", "refused")


@dataclass(frozen=True, slots=True)
class Listed:
    """One extension.

    state     on; off; broken: switched on, and its code can't be loaded; not installed: the configuration names it, and
              no package has it; refused: its id is malformed, reserved or claimed twice.
    because   why it is broken or refused; "" for the other states.
    """

    identifier: str
    enabled: bool
    package: str
    version: str
    state: str
    because: str
    title: str
    brings: tuple[str, ...]
    settings: Mapping[str, Any]
    resources: tuple[str, ...]
    fault: Fault | None

    def as_item(self) -> dict[str, Any]:
        return {
            "id": self.identifier,
            "package": self.package,
            "version": self.version,
            "enabled": self.enabled,
            "state": self.state,
            "because": self.because,
            "title": self.title,
            "brings": list(self.brings),
            "settings": dict(self.settings),
            "resources": list(self.resources),
            "last_fault": self.fault.as_item() if self.fault else None,
        }


def listed() -> list[Listed]:
    """All that are installed or that the configuration names, by id."""
    faults, given = last_faults(), switches.configured()
    return [_listed(name, given.get(name, {}), faults.get(name)) for name in sorted({*installed(), *given})]


def _listed(identifier: str, given: Mapping[str, Any], fault: Fault | None) -> Listed:
    found, brought, because = installed().get(identifier), None, ""
    if found is None:
        state = "not installed"
    elif found.problem:
        state, because = "refused", found.problem
    elif given.get("enabled") is not True:
        state = "off"
    else:
        state, because, brought = _tried(identifier)
    return Listed(
        identifier=identifier,
        enabled=given.get("enabled") is True,
        package=found.package if found else "",
        version=found.version if found else "",
        state=state,
        because=because,
        title=brought.title if brought else "",
        brings=tuple(brought.names()) if brought else (),
        settings={name: value for name, value in given.items() if name not in OURS},
        resources=tuple(given.get("resources", ())),
        fault=fault,
    )


def _tried(identifier: str) -> tuple[str, str, Brought | None]:
    try:
        return "on", "", switches.active(identifier).brought
    except ExtensionFault as fault:
        return "broken", fault.problem, None


def announced() -> list[str]:
    """The ids of an organisation's extensions that are switched on and work."""
    return [name for name in switches.switched_on() if _tried(name)[0] == "on"]
