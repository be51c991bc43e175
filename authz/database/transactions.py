"""The only transaction: what a request settles is committed together, and a refusal keeps what it wrote (law 1)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from django.db import connection, transaction

from authz.protocol.errors import OAuthError
from authz.telemetry import tracing

_settling: ContextVar[bool] = ContextVar("settling", default=False)


@contextmanager
def unit_of_work() -> Iterator[None]:
    """Commit on success and on an `OAuthError`; roll back on anything else.

    A code burnt, a family revoked or a jti claimed by a refused request stays so. It may not be nested, for then an
    inner refusal could be undone by an outer crash.
    """
    if _settling.get():
        raise RuntimeError("unit_of_work() is not nested")
    token = _settling.set(True)
    refusal: OAuthError | None = None
    try:
        with tracing.span("unit_of_work"), transaction.atomic():
            try:
                yield
            except OAuthError as error:
                refusal = error
    finally:
        _settling.reset(token)
    if refusal is not None:
        raise refusal


def long_statements() -> AbstractContextManager[None]:
    """Around `unit_of_work()`, for a request of an administrator that changes as many rows as there are: its
    statements may take longer than those of other requests (docs/decisions/0044-a-database-that-hangs.md).
    """
    begin: Callable[[], AbstractContextManager[None]] = getattr(connection, "long_statements", nullcontext)
    return begin()


def in_unit_of_work() -> bool:
    """Whether a transaction of ours is open here; `outbound` refuses to run in one (law 2)."""
    return _settling.get()
