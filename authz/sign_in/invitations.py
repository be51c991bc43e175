"""Invitations: a link by which a person chooses their first password, once, within three days.

The link has a random token of 256 bits; the database has its digest. A new invitation voids the former one. An invited
person has no other way to a password until the invitation is used, replaced or too old
(docs/decisions/0086-invitations.md).
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse

from authz import audit, notifications, registry
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.models import Invitation, Notification, User
from authz.notifications import Kind
from authz.protocol.errors import OAuthError, Reason

LIFETIME = timedelta(days=3)


class CannotInviteError(Exception):
    """The person has a password, or may have none; in words for the administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A new invitation. `link` is empty where a mail brings it to `mailed_to`."""

    invitation: Invitation
    link: str = ""
    mailed_to: str = ""


def open_ones(now: datetime) -> QuerySet[Invitation]:
    """The invitations that can be used."""
    return Invitation.objects.filter(
        used=None, voided=None, expires__gt=now, user__is_active=True, user__ended=None
    ).select_related("user")


def is_invited(user: User, now: datetime) -> bool:
    return open_ones(now).filter(user=user).exists()


def has_password(user: User) -> bool:
    """An empty one, as forms of earlier versions made it, is none."""
    return bool(user.password) and user.has_usable_password()


def why_not(user: User) -> str:
    """Why a person cannot be invited, in words; empty if they can."""
    if not user.is_active or user.ended is not None:
        return f"{user.username} is disabled."
    if has_password(user):
        return f"{user.username} has a password. “Forgot your password?” on the sign-in page replaces it."
    if user.is_from_elsewhere:
        return f"{user.username} signs in at an identity provider."
    return registry.why_no_password(user)


def mail_reaches(user: User) -> bool:
    """Whether an invitation can be mailed: there is a mail server, and the person has an address."""
    return bool(user.email) and settings.EMAIL_BACKEND not in notifications.WITHOUT_A_SERVER


def invite(user: User, *, by: str, by_subject: str, mail: bool, now: datetime) -> Made:
    """Make an invitation, mailed or with its link. Raises `CannotInviteError`."""
    token = secrets.token_urlsafe(32)
    path = reverse("account_invitation", args=[token])
    is_mailed = mail and mail_reaches(user)
    with unit_of_work():
        # Of two who invite at once, one waits; the second one's link is the one that works.
        person = User.objects.select_for_update().get(pk=user.pk)
        if problem := why_not(person):
            raise CannotInviteError(problem)
        void(person, now, because="replaced")
        made = Invitation.objects.create(
            user=person, digest=_digest(token), created=now, expires=now + LIFETIME, by=by, by_subject=by_subject
        )
        audit.record(
            audit.Event.PERSON_INVITED,
            subject=str(person.subject),
            detail={
                "invitation": str(made.pk),
                "username": person.username,
                "by": by,
                "by_subject": by_subject,
                "expires": made.expires.isoformat(),
                "mailed": is_mailed,
            },
        )
        notifications.tell(
            Kind.PERSON_INVITED,
            [person] if is_mailed else [],
            subject="Your account at Gatehouse",
            body=f"{notifications.plain(by)} invites you. Choose a password within three days; your user name is"
            f" {notifications.plain(person.username)}. The link works once:",
            secret_link=path,
            about=str(made.pk),
            data={"invitation": str(made.pk), "subject": str(person.subject)},
            now=now,
        )
    return Made(invitation=made, mailed_to=person.email) if is_mailed else Made(invitation=made, link=_absolute(path))


def void(user: User, now: datetime, *, because: str) -> None:
    """Take back what is open. Call it inside `unit_of_work()`."""
    for row in Invitation.objects.filter(user=user, used=None, voided=None).select_for_update():
        Invitation.objects.filter(pk=row.pk).update(voided=now)
        Notification.objects.filter(about=str(row.pk), delivered=None).exclude(recipient=None).update(
            due=None, sealed=None, failure="The invitation was taken back."
        )
        if row.expires > now:
            detail = {"invitation": str(row.pk), "username": user.username, "because": because}
            audit.record(audit.Event.INVITATION_VOIDED, subject=str(user.subject), detail=detail)


def find(token: str, now: datetime) -> Invitation:
    """The invitation of a link. Raises `OAuthError`, whose detail (for the audit) says why it cannot be used."""
    row = Invitation.objects.filter(digest=_digest(token)).select_related("user").first()
    if row is None:
        raise OAuthError(Reason.INVITATION_UNUSABLE, detail="unknown")
    if problem := _problem(row, now):
        audit.concerns(subject=row.user.subject)
        raise OAuthError(Reason.INVITATION_UNUSABLE, detail=problem)
    return row


def _problem(row: Invitation, now: datetime) -> str:
    if row.used is not None:
        return "used"
    if row.voided is not None:
        return "voided"
    if row.expires <= now:
        return "expired"
    return "no password is possible" if why_not(row.user) else ""


def accept(token: str, password: str, now: datetime) -> User:
    """Use the invitation, and give the person this password, which the caller has validated.

    Raises `OAuthError`, and then nothing has changed.
    """
    row = find(token, now)
    # Hashed before the transaction, which holds no lock for so long.
    row.user.set_password(password)
    with unit_of_work():
        # A request that disables the person, or gives them a password, waits here, or this one does.
        person = User.objects.select_for_update().get(pk=row.user_id)
        if why_not(person):
            raise OAuthError(Reason.INVITATION_UNUSABLE, detail="no password is possible")
        # One conditional statement: of two requests with the same link, one has it (invariant 3).
        if not Invitation.objects.filter(pk=row.pk, used=None, voided=None, expires__gt=now).update(used=now):
            raise OAuthError(Reason.INVITATION_UNUSABLE, detail="used")
        detail = {"invitation": str(row.pk), "username": person.username, "invited_by": row.by}
        audit.record(audit.Event.INVITATION_USED, subject=str(person.subject), detail=detail)
        row.user.save(update_fields=["password"])
    return row.user


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _absolute(path: str) -> str:
    return f"{conf.origin}{path}"
