"""Django's cache in Redis or Valkey, and in the process's own memory while that is away.

What stands in it is convenience (what the console shows of key sets, counters of guesses); no request may fail because
it is gone, and none may wait for it: in the event loop's thread it is not asked at all
(authz/database/concurrency.py), and beside it not for some seconds after it was slow.
"""

import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

from authz.database import concurrency

# Seconds: a server that takes longer than SLOW counts as away, and is not asked for RETRY.
SLOW, RETRY = 0.05, 5.0


def _or_own(name: str) -> Callable[..., Any]:
    def method(self: "SharedCache", *args: Any, **kwargs: Any) -> Any:
        began = time.monotonic()
        if not concurrency.is_in_event_loop() and began >= SharedCache.away_until:
            try:
                return getattr(super(SharedCache, self), name)(*args, **kwargs)
            except (RedisError, OSError):
                SharedCache.away_until = time.monotonic() + RETRY
            finally:
                if time.monotonic() - began > SLOW:
                    SharedCache.away_until = time.monotonic() + RETRY
        return getattr(self.own, name)(*args, **kwargs)

    return method


class SharedCache(RedisCache):
    # By the monotonic clock; all threads of the process have one network.
    away_until = 0.0

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self.own = LocMemCache("gatehouse", {})

    add = _or_own("add")
    get = _or_own("get")
    set = _or_own("set")
    touch = _or_own("touch")
    delete = _or_own("delete")
    get_many = _or_own("get_many")
    set_many = _or_own("set_many")
    delete_many = _or_own("delete_many")
    has_key = _or_own("has_key")
    incr = _or_own("incr")
    clear = _or_own("clear")

    def ping(self) -> None:
        """Ask the shared one, and it alone. Raises RedisError or OSError."""
        self._cache.get_client().ping()  # type: ignore[attr-defined]  # Django's own
