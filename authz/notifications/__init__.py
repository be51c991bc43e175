"""Notifies people by mail and systems by webhook, through an outbox in the database.

    with unit_of_work():
        …                                                     # the change
        notifications.tell(
            Kind.ACCESS_APPROVED,
            [person, owner],
            subject="Desktop app may read Notes",
            body="Alice approved it until …",
            link="/account/requests/4f…",
            about=str(request.pk),
            data={"access_request": str(request.pk), …},
        )

`tell` writes rows in the transaction of the change: both are committed or neither. It sends nothing, so no request
waits for a mail server. `authz/notifications/delivery.py` sends, at least once, and retries until it gives up.
"""

import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum

from django.conf import settings

from authz.conf import conf
from authz.models import Notification, User, WebhookEndpoint
from authz.notifications import sealed_links
from authz.protocol.display_names import visible


class Kind(StrEnum):
    """The core's kinds, which are the `type` of a webhook. Apps have their own. docs/notifications.md lists all.

    > It's recommended that event types be formatted as an hierarchical, and full-stop delimited, list of identifiers
    > (Standard Webhooks, Event types)
    """

    ACCESS_REQUESTED = "access_request.opened"
    ACCESS_EXPLAINED = "access_request.explained"
    ACCESS_APPROVED = "access_request.approved"
    ACCESS_DENIED = "access_request.denied"
    ACCESS_CANCELLED = "access_request.cancelled"
    ACCESS_ENDS_SOON = "access_request.ends_soon"
    AGENT_WAITS = "agent.waits"
    AGENT_REJECTED = "agent.rejected"
    PERSON_INVITED = "person.invited"
    EMERGENCY_SIGN_IN = "person.emergency_sign_in"
    FACTOR_CHANGED = "person.factor_changed"
    WEBHOOK_TEST = "webhook.test"
    AGENT_ENDS_SOON = "agent.ends_soon"
    AGENT_ENDED = "agent.ended"
    AGENT_OWNER_LEFT = "agent.owner_left"
    AGENT_PASSED = "agent.passed"
    AGENT_SUSPENDED = "agent.suspended"
    CALLS_UNUSUAL = "calls.unusual"


_DUMMY = "django.core.mail.backends.dummy.EmailBackend"
# Mails go nowhere, or to the log.
WITHOUT_A_SERVER = frozenset(
    {
        _DUMMY,
        "django.core.mail.backends.console.EmailBackend",
        "authz.notifications.logged_mail.EmailBackend",
    }
)
_LONGEST_SUBJECT = 150


def tell(
    kind: StrEnum,
    recipients: Iterable[User],
    *,
    subject: str,
    body: str,
    link: str = "",
    secret_link: str = "",
    about: str = "",
    data: Mapping[str, object] | None = None,
    now: datetime | None = None,
) -> list[User]:
    """Notify people by mail, and every endpoint that listens to `kind` by webhook. Call it inside `unit_of_work()`.

    recipients   the people who get the mail, each once. Inactive people and those without an address get none. Webhooks
                 are sent also without recipients.
    subject      one line. Text from outside has to go through `plain` first, here and in `body`. body         plain
    text, without greeting or signature. link         a path of this server, such as `/account/requests/…`: the mail
    ends with it, and it is the webhook's `url`. secret_link  a path that only the mail has: the outbox keeps it
    encrypted until the mail has gone. about        the id of the subject matter, at most 64 characters: `told_about`
    looks it up. data         JSON for webhooks: identifiers rather than content, and never a secret.

    Returns the people who will get a mail. Two statements. Raises only if the database does.
    """
    now = now or datetime.now(UTC)
    url = f"{conf.origin}{link}" if link else ""
    common = {
        "message": uuid.uuid4(),
        "kind": kind.value,
        "about": about,
        "subject": visible(subject)[:_LONGEST_SUBJECT],
        "created": now,
        "due": now,
    }
    people = {user.pk: user for user in recipients if user.is_active and user.email} if mail_is_sent() else {}
    told = [
        Notification(**common, recipient=user, body=f"{body}\n\n{url}" if url else body) for user in people.values()
    ]
    if secret_link:
        for row in told:
            sealed_links.seal(row, f"{conf.origin}{secret_link}")
    payload = {"url": url, **(data or {})} if url else dict(data or {})
    told += [
        Notification(**common, endpoint=endpoint, data=payload)
        for endpoint in WebhookEndpoint.objects.filter(enabled=True)
        if kind.value in endpoint.events or "*" in endpoint.events
    ]
    Notification.objects.bulk_create(told)
    return list(people.values())


def told_about(about: str, kind: StrEnum) -> list[Notification]:
    """The people who were notified of something by mail, and whether the mail server has accepted it (`state`)."""
    rows = Notification.objects.filter(about=about, kind=kind.value, endpoint=None)
    return list(rows.select_related("recipient").order_by("created", "recipient__username"))


def mail_is_sent() -> bool:
    """Whether mails go anywhere: to a mail server, or on a first try to the log."""
    return bool(settings.EMAIL_BACKEND != _DUMMY)


def plain(text: str, length: int = 80) -> str:
    """Text from outside, for a mail: one line, no invisible characters, and nothing that mail readers turn into a link.

    An agent called “Sign in at https://evil.example” must not bring its address to an approver in our name (attack 11).
    """
    shown = visible(text).replace("://", ":\u2044\u2044").replace("@", "\uff20")
    shown = re.sub(r"\.(?=\w)", "\u2024", shown)
    return shown if len(shown) <= length else f"{shown[: length - 1].rstrip()}…"
