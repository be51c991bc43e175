"""How the event loop's thread works on a machine's request. On SQLite at once: nothing there is worth waiting for. On
PostgreSQL in a greenlet, so that the loop answers others while the database works
(docs/decisions/0070-workers-that-do-not-wait.md).
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from django.conf import settings

from authz.database import greenlets

T = TypeVar("T")
Work = Callable[[], T]
# Returns when the client is gone.
Watch = Callable[[], Awaitable[object]]


async def _at_once(work: Work[T], watch: Watch) -> T:
    loop = asyncio.get_running_loop()
    # Django keeps database connections by task where a loop is running, and refuses to use them there. For the length
    # of this call the thread does nothing else, so it is as good as a thread without a loop.
    asyncio._set_running_loop(None)
    try:
        return work()
    finally:
        asyncio._set_running_loop(loop)


async def _in_a_greenlet(work: Work[T], watch: Watch) -> T:
    return await greenlets.run(partial(pool.lending, work), watch)


if settings.IS_SQLITE:
    run = _at_once
else:
    from authz.database.postgresql import pool

    pool.install()
    run = _in_a_greenlet
