"""How the event loop's thread works on a machine's request: in a greenlet. While PostgreSQL works, the loop answers
others (docs/decisions/0070-workers-that-do-not-wait.md). On SQLite, what several requests write is committed together
(docs/decisions/0073-group-commit.md).
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from django.conf import settings

from authz.database import greenlets

T = TypeVar("T")
Work = Callable[[], T]
# Returns when the client is gone.
Watch = Callable[[], Awaitable[object]]


async def _with_the_pool(work: Work[T], watch: Watch | None = None) -> T:
    return await greenlets.run(partial(pool.lending, work), watch)


if settings.IS_SQLITE:
    run = greenlets.run
else:
    from authz.database.postgresql import pool

    pool.install()
    run = _with_the_pool
