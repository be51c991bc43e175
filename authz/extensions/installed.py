"""Which extensions are installed: Python packages with an entry point in the group `gatehouse.extensions`.

The entry point's name is the extension's id, and its value a module. Nothing of a package is imported here: the code of
an extension that is not switched on never runs.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from authz.protocol import extension_ids
from authz.protocol.display_names import visible

GROUP = "gatehouse.extensions"


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed extension. `problem` says why it can never be loaded; "" for one that can."""

    identifier: str
    package: str
    version: str
    entry_point: EntryPoint
    problem: str = ""


@cache
def installed() -> Mapping[str, Installed]:
    """All of them by id, as they were when this process first asked."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))
    named = Counter(entry.name for entry in found)
    return {entry.name: _of(entry, named[entry.name], found) for entry in found}


def usable() -> Mapping[str, Installed]:
    """Those that may be switched on."""
    return {name: extension for name, extension in installed().items() if not extension.problem}


def _of(entry: EntryPoint, times: int, found: list[EntryPoint]) -> Installed:
    # An id speaks of one package: of two that claim it neither is loaded, or the later one installed would take over
    # what rules and configuration say of the other.
    if times > 1:
        packages = sorted({_package(other)[0] for other in found if other.name == entry.name})
        problem = f"is claimed {times} times, by {', '.join(packages)}"
    else:
        problem = extension_ids.problem(entry.name)
    package, version = _package(entry)
    return Installed(entry.name, package, version, entry, problem)


def _package(entry: EntryPoint) -> tuple[str, str]:
    if entry.dist is None:
        return "", ""
    return visible(entry.dist.name), visible(entry.dist.version)
