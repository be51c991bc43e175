"""Emergency accounts: a way in for an administrator when the issuer, the second factors or the other administrators are
out of reach (docs/operations/second-factors.md).

The password is made by a command, is long and random, and is kept on paper in a safe. It is the only factor. Its first
use is told to all administrators and opens an hour; afterwards the account is closed until a command renews it. It
gives no agent anything, and gets no other password or factor.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db import IntegrityError

from authz import audit, notifications
from authz.database.transactions import unit_of_work
from authz.limits.refusal_sampling import record_unauthenticated
from authz.models import User
from authz.notifications import Kind
from authz.protocol.errors import OAuthError, Reason

# From the first sign-in to the end of all its sessions.
WINDOW = timedelta(hours=1)
# Two, kept in two places.
MOST = 2
_BYTES = 24


class EmergencyError(Exception):
    """Why it cannot be made, in words for the operator."""


def connect() -> None:
    user_logged_in.connect(_signed_in, dispatch_uid="authz.sign_in.emergency.signed_in")


def make(username: str, *, by: str) -> str:
    """Make an emergency account; its password, which is shown this once. Raises `EmergencyError`."""
    password = secrets.token_urlsafe(_BYTES)
    user = User(username=username, role=User.Role.ADMINISTRATOR, is_emergency=True)
    user.set_password(password)
    try:
        with unit_of_work():
            # Those that are there wait for each other by their rows, so there are never more than MOST.
            if len(accounts(lock=True)) >= MOST:
                raise EmergencyError(f"There are {MOST} emergency accounts already. Renew one, or remove it first.")
            user.save()
            _record(audit.Event.EMERGENCY_MADE, user, by)
    except IntegrityError:
        raise EmergencyError(f"{username!r} is a person already. Take another name.") from None
    return password


def renew(user: User, *, by: str) -> str:
    """Give it another password, and close what it had open. The password, which is shown this once."""
    password = secrets.token_urlsafe(_BYTES)
    user.set_password(password)
    user.emergency_until, user.is_active = None, True
    with unit_of_work():
        user.save()
        _record(audit.Event.EMERGENCY_RENEWED, user, by)
    return password


def remove(user: User, *, by: str) -> None:
    """End it. The person's row stays, disabled, since the audit names it."""
    user.set_unusable_password()
    user.is_emergency, user.is_active, user.emergency_until, user.role = False, False, None, User.Role.NONE
    with unit_of_work():
        user.save()
        _record(audit.Event.EMERGENCY_REMOVED, user, by)


def accounts(*, lock: bool = False) -> Sequence[User]:
    rows = User.objects.filter(is_emergency=True).order_by("pk")
    return list(rows.select_for_update() if lock else rows)


def used() -> Sequence[User]:
    """Those that were used and not renewed since; the console shows them on every page."""
    return list(User.objects.filter(is_emergency=True).exclude(emergency_until=None).order_by("pk")[:MOST])


def may_sign_in(user: User) -> bool:
    """Whether the right password still signs in. A refusal is recorded."""
    if not user.is_emergency or user.emergency_until is None or datetime.now(UTC) < user.emergency_until:
        return True
    error = OAuthError(Reason.EMERGENCY_OVER)
    record_unauthenticated(audit.Event.SIGN_IN_FAILED, error, subject=str(user.subject))
    return False


def _signed_in(user: User, **_: Any) -> None:
    """Before its session is stored: without the record and the messages there is none."""
    if not user.is_emergency:
        return
    now = datetime.now(UTC)
    with unit_of_work():
        User.objects.filter(pk=user.pk, emergency_until=None).update(emergency_until=now + WINDOW)
        user.refresh_from_db(fields=["emergency_until"])
        assert user.emergency_until is not None  # noqa: S101  written above, by this request or another
        address = audit.current_origin().address
        until = user.emergency_until.isoformat()
        detail = {"username": user.username, "until": until}
        audit.record(audit.Event.EMERGENCY_SIGNED_IN, subject=str(user.subject), detail=detail)
        administrators = User.objects.filter(role=User.Role.ADMINISTRATOR, is_active=True, is_emergency=False)
        notifications.tell(
            Kind.EMERGENCY_SIGN_IN,
            administrators,
            subject=f"The emergency account {notifications.plain(user.username)} was used",
            body=f"The emergency account {notifications.plain(user.username)} has signed in, from {address}. It is open"
            f" until {user.emergency_until:%Y-%m-%d %H:%M} UTC. Find out who it was and why. If that is not known, end"
            " its sign-ins. Then renew it by `gatehouse emergency_account renew`.",
            link="/console/",
            data={"subject": str(user.subject), "username": user.username, "until": until},
            now=now,
        )


def _record(event: audit.Event, user: User, by: str) -> None:
    audit.record(event, subject=str(user.subject), detail={"username": user.username, "by": by})
