"""Audit events as files that are safe to open (pure)."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence

# Spreadsheets read a cell that begins with one of these as a formula (attack 32).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def cell(value: object) -> str:
    """A value as a spreadsheet shows it and never runs it: one line, and an apostrophe before what begins a formula."""
    text = str(value).replace("\r", " ").replace("\n", " ").replace("\0", "")
    return f"'{text}" if str(value).startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Lines of RFC 4180 CSV, every field quoted."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(header)
    yield buffer.getvalue()
    for row in rows:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([cell(value) for value in row])
        yield buffer.getvalue()


def json_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """One JSON object a line; a newline inside a value is escaped, so a line is an event."""
    for row in rows:
        yield json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=True, default=str) + "\n"
