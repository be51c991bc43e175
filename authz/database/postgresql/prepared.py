"""The statements of authz/database/raw_sql.py, prepared once for each connection and sent past psycopg's cursors.

A cursor writes the values into each statement, and PostgreSQL parses and plans it each time: both sides did more work
for that than for the rows. Here a statement travels once, and its values travel beside it. Statements that are sent
together cost one round trip and are one transaction (docs/decisions/0064-prepared-statements-and-kept-greenlets.md).
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

Statement = tuple[str, Sequence[Any]]

# PostgreSQL's types of the values. Text has none, so that it becomes what its place wants, as a literal does.
_TYPES = {str: 0, type(None): 0, int: 20, float: 701, datetime: 1184, UUID: 2950}
# How many statements a connection prepares: each takes memory of the server.
MOST = 50
# The statement is not known any more, or a migration has changed what it gives. It is prepared anew next time.
_OUTDATED = frozenset({"26000", "0A000"})


class Found:
    """The rows of a statement, read as from a cursor, and how many it found or changed."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int) -> None:
        self._rows, self.rowcount = rows, rowcount

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


class Prepared:
    """What one connection has prepared."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._pgconn = connection.pgconn
        self._reader = Transformer(connection)
        self._names: dict[str, bytes] = {}
        self._count = 0

    def takes(self, statements: Sequence[Statement]) -> bool:
        """Whether they can be sent so: their values are of known types, and there is room for them."""
        return all(
            (sql in self._names or len(self._names) < MOST) and all(type(value) in _TYPES for value in values)
            for sql, values in statements
        )

    def run(self, statements: Sequence[Statement]) -> PQGen[list[Found]]:
        """What each of them gives. Raises what psycopg raises."""
        encoded = [[_encoded(value) for value in values] for _, values in statements]
        new: dict[str, bytes] = {}
        wanted: list[bool] = []  # preparing gives a result, too
        self._pgconn.enter_pipeline_mode()
        for (sql, values), bound in zip(statements, encoded, strict=True):
            name = self._names.get(sql) or new.get(sql)
            if name is None:
                self._count += 1
                name = new[sql] = b"gatehouse_%d" % self._count
                self._pgconn.send_prepare(name, _numbered(sql), [_TYPES[type(value)] for value in values])
                wanted.append(False)
            self._pgconn.send_query_prepared(name, bound)
            wanted.append(True)
        self._pgconn.pipeline_sync()
        yield from send(self._pgconn)
        results: list[PGresult] = []
        while not results or results[-1].status != ExecStatus.PIPELINE_SYNC:
            results += yield from fetch_many(self._pgconn)
        self._pgconn.exit_pipeline_mode()
        self._raise_failure(results)
        self._names |= new
        return [self._found(result) for result, is_wanted in zip(results, wanted, strict=False) if is_wanted]

    def _raise_failure(self, results: Sequence[PGresult]) -> None:
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                failure = error_from_result(result, encoding="utf-8")
                if failure.sqlstate in _OUTDATED:
                    self._names.clear()
                raise failure

    def _found(self, result: PGresult) -> Found:
        if result.status != ExecStatus.TUPLES_OK:
            return Found([], result.command_tuples or 0)
        self._reader.set_pgresult(result)
        return Found(self._reader.load_rows(0, result.ntuples, tuple), result.ntuples)


def _encoded(value: Any) -> bytes | None:
    if value is None:
        return None
    text = (value.isoformat() if type(value) is datetime else str(value)).encode()
    # The driver's own words. Its library would end the value there.
    if b"\0" in text:
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return text


@cache
def _numbered(sql: str) -> bytes:
    first, *rest = sql.split("%s")
    return "".join([first, *(f"${number}{part}" for number, part in enumerate(rest, 1))]).encode()
