"""Django's mail backend for a mail server, with one deadline for the whole conversation (authz/outbound/deadlines.py).

Everything that sends mail uses it: scheduled notifications, and pages that people wait for (attack 41).
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from smtplib import SMTP, SMTP_SSL
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend as DjangosBackend

from authz.outbound.deadlines import Deadline
from authz.outbound.destinations import resolve
from authz.outbound.pinned_connection import connected
from authz.outbound.roles import Cause, OutboundError

# Seconds for one conversation, and of those for its end: by then the mail has been taken.
SECONDS, QUIT_SECONDS = 10.0, 1.0


class _Bounded(SMTP):
    """SMTP over a connection that ends with the deadline."""

    _deadline: Deadline

    def connect(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        try:
            return super().connect(*args, **kwargs)
        except BaseException:
            self.close()  # the object is never made, so no caller could
            raise

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        return _connection(host, port, self._deadline)


def _connection(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A connection to the mail server of the settings. Its address may be private, since the operator chose it.

    Raises OSError, as smtplib expects.
    """
    try:
        return connected(resolve(host, port, deadline), port, deadline)
    except OutboundError as error:
        raise (TimeoutError if error.cause is Cause.TIMEOUT else ConnectionError)(error.cause.sentence) from error


class _BoundedOverTls(SMTP_SSL, _Bounded):
    """The same, where TLS comes first: SMTP_SSL asks the class behind it for the socket, and wraps that."""


def _within(deadline: Deadline, kind: type[_Bounded]) -> type[_Bounded]:
    # By a class, since smtplib connects while the object is being made.
    return type(kind.__name__, (kind,), {"_deadline": deadline})


class EmailBackend(DjangosBackend):
    """A conversation begins when it is opened; `send_messages` opens and closes its own."""

    _deadline: Deadline | None = None
    _was_late = False

    @property
    def connection_class(self) -> type[_Bounded]:
        assert self._deadline is not None  # noqa: S101  `open` asks, and has set it
        return _within(self._deadline, _BoundedOverTls if self.use_ssl else _Bounded)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        try:
            return super().send_messages(email_messages)
        except OSError:  # smtplib's errors are among them
            # What we cut looks like a server that hung up, or like a shorter answer.
            if self._was_late:
                raise TimeoutError from None
            raise

    def open(self) -> bool | None:
        if self.connection is not None:
            return False
        self._deadline = Deadline(SECONDS).__enter__()
        try:
            return super().open()
        except BaseException:
            if (begun := self.__dict__.pop("_partial_connection", None)) is not None:
                begun.close()
            self._partial_connection = None
            self._end()
            raise

    def close(self) -> None:
        """A server that does not answer `QUIT` has taken the mail all the same."""
        if self._deadline is not None and self.connection is not None and self.connection.sock is not None:
            self.connection.sock.settimeout(self._deadline.left(QUIT_SECONDS))
        with suppress(OSError):
            super().close()
        self._end()

    def _end(self) -> None:
        if self._deadline is not None:
            self._was_late = self._deadline.is_over
            self._deadline.__exit__()
            self._deadline = None
