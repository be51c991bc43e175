"""Sends the mails and signed webhooks of the outbox (authz/notifications/__init__.py), as a scheduled task.

At least once: a row is claimed for two minutes, and if the process dies, another one sends it. Receivers recognise a
repetition by its `webhook-id`. Each endpoint has a queue of its own, and so has mail. One message of each queue is sent
at a time, and queues do not wait for each other. After a failure a queue pauses. A message that is not delivered within
three days is given up, and shown in the console.
"""

import json
import logging
import random
import time
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Count, F, Min, QuerySet

from authz import audit, outbound
from authz.conf import conf
from authz.database.due import due_at
from authz.database.transactions import unit_of_work
from authz.keys.secrets_at_rest import WrongKeyError
from authz.models import Notification, WebhookEndpoint
from authz.notifications import sealed_links, webhook_secrets
from authz.outbound import Cause, OutboundError, Role
from authz.protocol import standard_webhooks

logger = logging.getLogger(__name__)

EVERY = 2.0
# Seconds after which a run begins no new message; the current one ends within ten more.
BUDGET = 20.0
# Queues that are served in parallel.
QUEUES = 16
# How many messages may wait for one receiver. Beyond that the oldest are given up, so that the disk does not fill up.
MOST_WAITING = 10_000
TOO_MANY = "Given up: too many others wait for this receiver."
# Seconds after which due messages are looked up again while others are being sent.
GLANCE = 1.0
# How long a claimed row is ours: longer than any attempt takes.
CLAIM = timedelta(minutes=2)
# > It's recommended to retry delivery following a retry schedule spanning multiple days, with an exponential backoff.
# > (Standard Webhooks, Deliverability and reliability)
RETRIES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
# A message is put off no longer than this, with the jitter.
LONGEST = RETRIES[-1] * 1.25
# A message behind a failed one is tried this soon, so that a message that is always refused delays no other for long.
REST = timedelta(minutes=5)


def run() -> None:
    _give_up_the_oldest()
    ends, under_way = time.monotonic() + BUDGET, dict[Future[Exception | None], Notification]()
    # Threads only send: the database is this thread's business.
    with ThreadPoolExecutor(max_workers=QUEUES) as threads:
        while True:
            if time.monotonic() < ends:
                for row in _claim(datetime.now(UTC), {row.endpoint_id for row in under_way.values()}):
                    under_way[threads.submit(_attempt, row)] = row
            if not under_way:
                return
            # A slow receiver blocks only its own queue.
            done, _ = wait(under_way, timeout=GLANCE, return_when=FIRST_COMPLETED)
            for attempt in done:
                _record(under_way.pop(attempt), attempt.result(), datetime.now(UTC))


def _give_up_the_oldest() -> None:
    waiting = Notification.objects.filter(due__isnull=False).order_by().values_list("endpoint")
    for (endpoint,) in waiting.annotate(count=Count("pk")).filter(count__gt=MOST_WAITING).values_list("endpoint"):
        queue = _queue(endpoint).filter(due__isnull=False)
        oldest = queue.order_by("-created", "-pk").values_list("pk", flat=True)[MOST_WAITING : MOST_WAITING + 1000]
        Notification.objects.filter(pk__in=list(oldest)).update(due=None, failure=TOO_MANY)


def _claim(now: datetime, busy: Collection[UUID | None] = ()) -> list[Notification]:
    """The longest due message of each queue that is not `busy`, claimed by one conditional statement (invariant 3)."""
    # Messages for a disabled endpoint wait until it is enabled, or until they are too old.
    is_due = due_at("due", now, LONGEST)
    due = Notification.objects.filter(is_due).exclude(endpoint__enabled=False)
    queues = due.order_by().values_list("endpoint").annotate(first=Min("due")).order_by("first")[: QUEUES + len(busy)]
    claimed: list[Notification] = []
    for endpoint, _ in queues:
        if endpoint in busy or len(busy) + len(claimed) >= QUEUES:
            continue
        row = _queue(endpoint).filter(is_due).select_related("recipient", "endpoint").order_by("due")[:1].first()
        if row is None:
            continue
        mine = Notification.objects.filter(pk=row.pk, due=row.due)
        if mine.update(due=now + CLAIM, attempts=F("attempts") + 1):
            row.attempts += 1
            claimed.append(row)
    return claimed


def _queue(endpoint: UUID | None) -> QuerySet[Notification]:
    return Notification.objects.filter(endpoint=endpoint)


# --- One attempt ------------------------------------------------------------------------------------------------------


def _attempt(row: Notification) -> Exception | None:
    """Send it; what went wrong, if anything did."""
    try:
        if row.recipient is not None:
            # The person as they are now: a deactivated one gets no mail.
            if row.recipient.is_active and row.recipient.email:
                body = f"{row.body}{sealed_links.opened(row)}"
                outbound.mail(row.recipient.email, row.subject, f"{body}\n\n-- \nGatehouse, {conf.origin}\n")
        elif row.endpoint is not None:
            _post(row, row.endpoint)
    except (OutboundError, WrongKeyError) as error:
        return error
    except Exception as error:  # one message that cannot be sent at all stops no other
        logger.exception("notification %s could not be sent", row.pk)
        return error
    return None


def _post(row: Notification, endpoint: WebhookEndpoint) -> None:
    """Send one webhook. Raises `OutboundError` unless the answer is 2xx."""
    body = {"type": row.kind, "timestamp": row.created.isoformat(), "data": row.data}
    payload = json.dumps(body, separators=(",", ":")).encode()
    headers = standard_webhooks.headers(
        webhook_secrets.key_of(endpoint),
        message_id=f"msg_{row.message.hex}",
        timestamp=int(time.time()),
        payload=payload,
    )
    try:
        outbound.fetch(
            Role.WEBHOOK, endpoint.url, headers={"Content-Type": "application/json", **headers}, body=payload
        )
    except OutboundError as error:
        # > A webhook delivery is considered successful if it was responded to with a `2xx` status code
        # > (Standard Webhooks, Delivery success and failure); whatever else it says is not read.
        if error.cause not in {Cause.TOO_LARGE, Cause.ENCODING}:
            raise


# --- What became of it ------------------------------------------------------------------------------------------------


def _record(row: Notification, failure: Exception | None, now: datetime) -> None:
    """Write the result of a message: delivered, to be tried again, or given up."""
    # Only the holder of the claim may write the result; another node may have taken over since.
    mine = Notification.objects.filter(pk=row.pk, attempts=row.attempts, delivered=None)
    endpoints = WebhookEndpoint.objects.filter(pk__in=[row.endpoint_id] if row.endpoint_id else [])
    if failure is None:
        mine.update(due=None, delivered=now, failure="", sealed=None)
        endpoints.update(delivered=now, failing_since=None, failure="")
        return
    words = _in_words(failure)
    retry = _next_attempt(row.attempts, now)
    mine.update(due=retry, failure=words, **({"sealed": None} if retry is None else {}))
    endpoints.update(failure=words)
    endpoints.filter(failing_since=None).update(failing_since=now)
    if isinstance(failure, OutboundError) and failure.status == 410:
        _is_gone(row, endpoints)
    # A refused address says nothing about the mail server; other failures may concern the whole queue.
    elif not isinstance(failure, OutboundError) or failure.cause is not Cause.REFUSED:
        rest = min(retry or now + REST, now + REST)
        _queue(row.endpoint_id).filter(due__lt=rest).update(due=rest)


def _next_attempt(attempts: int, now: datetime) -> datetime | None:
    """When to try again, with some jitter; None after the last one."""
    if attempts > len(RETRIES):
        return None
    return now + RETRIES[attempts - 1] * random.uniform(1.0, 1.2)  # noqa: S311  spreads load, hides nothing


def _is_gone(row: Notification, endpoints: QuerySet[WebhookEndpoint]) -> None:
    """
    > `410 Gone`: […] Sender should disable the webhook endpoint, and stop sending it messages.
    > (Standard Webhooks, Delivery success and failure)
    """
    with unit_of_work():
        if endpoints.filter(enabled=True).update(enabled=False):
            what = {"kind": "webhookendpoint", "id": str(row.endpoint_id), "changed": ["enabled"]}
            audit.record(audit.Event.CONFIGURATION_CHANGED, detail={**what, "because": "it answered 410 Gone"})
        _queue(row.endpoint_id).filter(delivered=None).update(due=None, failure="The endpoint is gone.")


def _in_words(failure: Exception) -> str:
    if isinstance(failure, WrongKeyError):
        return "The secret cannot be read: it was encrypted under another GATEHOUSE_SECRET_KEY."
    if not isinstance(failure, OutboundError):
        return f"It cannot be sent: {type(failure).__name__}."
    detail = failure.status or failure.detail
    return f"{failure.cause.sentence} ({detail})"[:200] if detail else failure.cause.sentence
