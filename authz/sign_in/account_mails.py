"""Mails about accounts, such as links to reset a password: sent beside the request that caused them.

They are not stored like notifications (authz/notifications/__init__.py): a reader of the table could use the link.
A mail that cannot be sent at once is lost, and the person asks again.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from functools import cache
from threading import BoundedSemaphore

from authz import outbound
from authz.outbound import OutboundError

log = logging.getLogger(__name__)

# More than this at once, in one process, are not sent.
MAXIMUM = 100
_places = BoundedSemaphore(MAXIMUM)


def send_later(context: Context, recipient: str, texts: Callable[[], tuple[str, str]]) -> None:
    """Send a mail whose (subject, body) `texts` makes, in `context`, by a thread of its own."""
    if not _places.acquire(blocking=False):
        log.warning("a mail about an account is not sent: %d are waiting", MAXIMUM)
        return
    _sender().submit(context.run, _send, recipient, texts)


def wait() -> None:
    """Until those that wait have been sent (tests)."""
    _sender().submit(int).result()


def _send(recipient: str, texts: Callable[[], tuple[str, str]]) -> None:
    try:
        subject, body = texts()
        outbound.mail(recipient, subject, body)
    except OutboundError as error:
        log.warning("a mail about an account was not sent: %s", error)
    except Exception:  # an error in one mail or template must not stop the others
        log.exception("a mail about an account could not be made")
    finally:
        _places.release()


@cache
def _sender() -> ThreadPoolExecutor:
    """One for each process: made after the fork, when the first mail is sent."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="account-mails")
