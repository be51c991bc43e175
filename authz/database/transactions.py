"""The unit of work: what a request writes is committed together, and a refusal keeps what it wrote (invariant 1)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from django.db import connection, transaction

from authz.protocol.errors import OAuthError
from authz.telemetry import tracing

_is_open: ContextVar[bool] = ContextVar("unit_of_work", default=False)


@contextmanager
def unit_of_work() -> Iterator[None]:
    """Commit on success and on an `OAuthError`; roll back on any other exception.

    A used code, an ended token family and a claimed `jti` stay so when the request is refused. It cannot be nested
    (`RuntimeError`): an outer crash would undo an inner refusal.
    """
    if _is_open.get():
        raise RuntimeError("unit_of_work() is not nested")
    token = _is_open.set(True)
    refusal: OAuthError | None = None
    try:
        with tracing.span("unit_of_work"), transaction.atomic():
            try:
                yield
            except OAuthError as error:
                refusal = error
    finally:
        _is_open.reset(token)
    if refusal is not None:
        raise refusal


def long_statements() -> AbstractContextManager[None]:
    """Around `unit_of_work()`, for an administrator's request that may change all rows of a table: its statements may
    take longer than those of other requests (docs/decisions/0044-a-database-that-hangs.md).
    """
    begin: Callable[[], AbstractContextManager[None]] = getattr(connection, "long_statements", nullcontext)
    return begin()


def last_statement() -> AbstractContextManager[None]:
    """Around the last statement of a `unit_of_work()`. PostgreSQL commits in the same round trip
    (docs/decisions/0071-round-trips.md). Another statement after it raises RuntimeError.
    """
    end: Callable[[], AbstractContextManager[None]] = getattr(connection, "last_statement", nullcontext)
    return end()


def in_unit_of_work() -> bool:
    """Whether `unit_of_work()` is open here, so that what follows belongs to its transaction."""
    return _is_open.get()


def is_in_transaction() -> bool:
    """Whether any transaction is open here, whichever code opened it."""
    # The transaction that Django's TestCase wraps around a test is none of the product's; Django marks it itself.
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def require_no_transaction() -> None:
    """For code that is about to use the network. Raises RuntimeError while any transaction is open here: it would hold
    its locks for as long as another server likes (invariant 2).
    """
    if is_in_transaction():
        raise RuntimeError("no network while a transaction is open (invariant 2)")
