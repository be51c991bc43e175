"""What a change of a password ends (docs/decisions/0037-people-and-sign-in.md).

Who had the old one may have signed in, allowed agents, and asked for codes. A password that an administrator sets, or
that is reset by mail, ends all of that. A person who changes it, knowing the old one, keeps the agents that they let in
and the browser in which they change it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from django.db.models import F
from django.db.models.signals import post_save

from authz import audit, authorizations
from authz.database.transactions import in_unit_of_work, unit_of_work
from authz.models import Authorization, AuthorizationCode, BrowserSession, Consent, Invitation, User
from authz.models.user import password_replaced
from authz.sign_in import invitations

REASON = "password_changed"

_keeping_agents: ContextVar[bool] = ContextVar("keeping agents", default=False)


def connect() -> None:
    password_replaced.connect(_replaced, dispatch_uid="authz.sign_in.password_changes")
    post_save.connect(_switched_off, sender=User, dispatch_uid="authz.sign_in.switched_off")


@contextmanager
def keeping_agents() -> Iterator[None]:
    """For a change without suspicion: the person has shown the old password, or an issuer has authenticated them."""
    token = _keeping_agents.set(True)
    try:
        yield
    finally:
        _keeping_agents.reset(token)


def _replaced(user: User, **_: Any) -> None:
    """In the transaction that stores the password, so that no earlier session or grant survives it."""
    if in_unit_of_work():
        _end(user)
        return
    with unit_of_work():
        _end(user)


def _switched_off(instance: User, **_: Any) -> None:
    """A disabled person's sessions end, and stay ended when the person is enabled again (attack 38)."""
    if not instance.is_active:
        BrowserSession.objects.filter(user=instance).delete()
        AuthorizationCode.objects.filter(user=instance, used=None).update(expires=F("created"))
        _void(instance, "disabled")


def _void(user: User, because: str) -> None:
    """An invitation gives the first password, and only to a person who may sign in."""
    if not Invitation.objects.filter(user=user, used=None, voided=None).exists():
        return
    with nullcontext() if in_unit_of_work() else unit_of_work():
        invitations.void(user, datetime.now(UTC), because=because)


def _end(user: User) -> None:
    now = datetime.now(UTC)
    # Sessions first: a request that is about to issue a code holds its session's row
    # (authz/endpoints/authorize_response.py), so its code is there once this statement has the rows.
    BrowserSession.objects.filter(user=user).delete()
    AuthorizationCode.objects.filter(user=user, used=None).update(expires=F("created"))
    standing = Authorization.objects.filter(user=user)
    if _keeping_agents.get():
        # As signing out does (docs/decisions/0017-sign-ins-and-agents-end-differently.md).
        sign_ins = standing.filter(resource=None, revoked=None)
        here = [row.pk for row in sign_ins if "offline_access" not in row.identity_scopes]
        standing = Authorization.objects.filter(pk__in=here)
    else:
        Consent.objects.filter(user=user).delete()
    _void(user, "password set")
    ended = authorizations.end(standing, reason=REASON, now=now)
    audit.record(
        audit.Event.PASSWORD_CHANGED,
        subject=str(user.subject),
        detail={"username": user.username, "removed": not user.has_usable_password(), "ended": ended},
    )
