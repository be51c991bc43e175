"""Django's PostgreSQL, for the lane (authz/turns.py), in which everybody waits for the one who waits.

A request there that finds a row locked for more than moments, or the database away, leaves the lane and begins again
beside it. There it waits as long as it has to, and is told.
"""

import time
from typing import Any

import psycopg
from django.db import Error
from django.db.backends.postgresql import base

from authz import turns

# Milliseconds that a request in the lane waits for somebody else's row. Our own transactions are shorter.
LOCK_TIMEOUT = 100
# Seconds: how long it tries to connect (the driver knows nothing shorter), and how long after a failure nobody tries.
CONNECT_TIMEOUT, AWAY = 2, 10.0
_LOCK_NOT_AVAILABLE = "55P03"


class DatabaseWrapper(base.DatabaseWrapper):
    _away_until = 0.0

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        if turns.is_in_the_lane():
            parameters["connect_timeout"] = CONNECT_TIMEOUT
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not turns.is_in_the_lane():
            return super().get_new_connection(conn_params)
        if time.monotonic() < self._away_until:
            raise turns.MustWait
        try:
            return super().get_new_connection(conn_params)
        except psycopg.Error:
            self._away_until = time.monotonic() + AWAY
            raise turns.MustWait from None

    def init_connection_state(self) -> None:
        super().init_connection_state()
        if turns.is_in_the_lane():
            with self.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = {LOCK_TIMEOUT}")


def is_locked(failure: Error) -> bool:
    """Whether a statement failed because it would have had to wait for somebody else's row."""
    return getattr(failure.__cause__, "sqlstate", "") == _LOCK_NOT_AVAILABLE
