"""Panels of extensions for the console: text and tables as plain data, which our templates render and escape."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authz.extensions.faults import ExtensionFault
from authz.extensions.switches import Extension, active, switched_on

MAX_PANELS, MAX_COLUMNS, MAX_ROWS = 3, 8, 50
LONGEST_CELL, LONGEST_TEXT = 200, 2000


@dataclass(frozen=True, slots=True)
class Panel:
    """`problem` instead of the rest where the extension failed."""

    identifier: str
    title: str = ""
    text: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    problem: str = ""


def panels(page: str, about: Mapping[str, Any]) -> list[Panel]:
    """What the extensions that are on show on a page: `agent`, `access_request` or `extension`."""
    return [panel for identifier in switched_on() for panel in panels_of(identifier, page, about)]


def panels_of(identifier: str, page: str, about: Mapping[str, Any]) -> list[Panel]:
    try:
        extension = active(identifier)
        if extension.brought.panels is None:
            return []
        found = extension.call("panels", page, dict(about))
        if not isinstance(found, list | tuple) or len(found) > MAX_PANELS:
            raise extension.fault("panels", f"it answered no list of at most {MAX_PANELS}")
        return [_panel(extension, item) for item in found]
    except ExtensionFault as fault:
        return [Panel(identifier, problem=fault.problem)]


def _panel(extension: Extension, item: object) -> Panel:
    if not isinstance(item, dict) or not set(item) <= {"title", "text", "columns", "rows"}:
        raise extension.fault("panels", "a panel has a title, and a text or columns and rows")
    columns, rows = item.get("columns", ()), item.get("rows", ())
    if not isinstance(columns, list | tuple) or len(columns) > MAX_COLUMNS:
        raise extension.fault("panels", f"the columns are no list of at most {MAX_COLUMNS}")
    if not isinstance(rows, list | tuple) or len(rows) > MAX_ROWS:
        raise extension.fault("panels", f"the rows are no list of at most {MAX_ROWS}")
    if any(not isinstance(row, list | tuple) or len(row) != len(columns) for row in rows):
        raise extension.fault("panels", "each row has a cell for each column")
    return Panel(
        extension.identifier,
        title=_text(extension, item.get("title"), LONGEST_CELL),
        text=_text(extension, item.get("text", ""), LONGEST_TEXT),
        columns=tuple(_text(extension, name, LONGEST_CELL) for name in columns),
        rows=tuple(tuple(_text(extension, cell, LONGEST_CELL) for cell in row) for row in rows),
    )


def _text(extension: Extension, value: object, most: int) -> str:
    """Exactly `str` or a number: a subclass could call itself safe HTML (`__html__`), which templates do not escape."""
    if type(value) not in (str, int, float) or len(str(value)) > most:
        raise extension.fault("panels", f"a text is a text or a number of at most {most} characters")
    return str(value)
