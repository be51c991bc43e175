"""Packages of extensions as pip leaves them: a module and its metadata, in a folder on the path."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from authz.extensions import faults, guarded, switches

Install = Callable[..., None]
PLAIN = "TITLE = 'An extension'\n"


@contextmanager
def installing(folder: Path) -> Iterator[Install]:
    """A function that installs an extension; all of them are gone afterwards."""
    sys.path.insert(0, str(folder))
    names: list[str] = []

    def install(identifier: str, source: str = PLAIN, *, package: str = "", version: str = "1.2.3") -> None:
        package = package or f"extension-{len(names)}"
        module = package.replace("-", "_")
        names.append(module)
        (folder / f"{module}.py").write_text(source)
        metadata = folder / f"{module}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(f"[gatehouse.extensions]\n{identifier} = {module}\n")
        forget()

    try:
        yield install
    finally:
        sys.path.remove(str(folder))
        for name in names:
            sys.modules.pop(name, None)
        forget()


def forget() -> None:
    """What a restart forgets."""
    importlib.invalidate_caches()
    switches.forget()
    faults.forget()
    guarded.forget()
