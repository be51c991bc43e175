"""A token that was answered is in the audit after a power cut, wherever that cuts SQLite's log.

What the disk surely has is what was flushed. What was written since may be there in part. So at each answer it is noted
how much of the log was flushed, and afterwards the log is cut at each frame, beside it and within it. A log that is cut
behind an answer's mark has its token.
"""

import asyncio
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from authz.conf import conf
from authz.database.sqlite3 import log
from authz.serving import asgi
from tests.serving.test_asgi import scope
from tests.support import wal_file, world
from tests.support.world import World

pytestmark = [
    pytest.mark.skipif(not settings.IS_SQLITE, reason="PostgreSQL's own log has its own tests"),
    pytest.mark.django_db(transaction=True),
]
TOKENS = 40
AT_ONCE = 5
# Cuts within each frame.
WITHIN = 2


class Disk:
    """How many bytes of the log were flushed so far."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._flush = log._flush
        self.has = 0

    def flush(self, descriptor: int) -> None:
        _, ends = wal_file.frame_ends(self._descriptor)
        self._flush(descriptor)
        self.has = ends[-1]


@pytest.fixture
def files() -> Iterator[tuple[Path, Path]]:
    """The database, of which everything is in its file, and its log, which nothing moves meanwhile."""
    file = Path(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.execute("PRAGMA wal_autocheckpoint=0")
    yield file, file.with_name(f"{file.name}-wal")
    connection.close()


def test_a_log_that_is_cut_anywhere_has_each_token_that_was_answered_before(
    committed_gatehouse: World, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database = files[0].read_bytes()
    disk = Disk(files[1])
    monkeypatch.setattr(log, "_flush", disk.flush)
    answered: dict[str, int] = {}

    async def client() -> None:
        for _ in range(TOKENS // AT_ONCE):
            jti = await token()
            answered[jti] = disk.has

    async def clients() -> None:
        await asyncio.gather(*(client() for _ in range(AT_ONCE)))

    asyncio.run(clients())
    written, ends = files[1].read_bytes(), wal_file.frame_ends(disk._descriptor)[1]
    assert len(answered) == TOKENS
    # Each answer had waited, and those that were ready together waited together.
    assert min(answered.values()) > wal_file.HEADER
    assert 1 < len(set(answered.values())) < TOKENS
    for cut in cuts(ends):
        found = wal_file.issued_after_cut(database, written[:cut], tmp_path)
        assert {jti for jti, mark in answered.items() if mark <= cut} <= found, cut


def cuts(ends: list[int]) -> Iterator[int]:
    chance = random.Random(0)
    yield from (0, 1, wal_file.HEADER)
    for start, end in zip([wal_file.HEADER, *ends], ends, strict=False):
        yield from sorted({start + 1, *(chance.randrange(start, end) for _ in range(WITHIN)), end - 1, end})


async def token() -> str:
    body = b"grant_type=client_credentials"
    incoming = iter([{"type": "http.request", "body": body, "more_body": False}])
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if (message := next(incoming, None)) is None:
            await asyncio.sleep(60)  # a client that stays
        return message or {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    headers = (
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"authorization", world.basic_header("nightly-report", world.SECRET).encode()),
    )
    await asgi.application(scope("POST", f"{conf.issuer_path}/token".encode(), headers), receive, send)
    assert told[0]["status"] == 200, told
    jti: str = world.claims(json.loads(told[1]["body"])["access_token"])["jti"]
    return jti
