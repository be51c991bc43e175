"""Whether a sign-in still lives: what an ID token's `sid` is asked about before it may mint anything."""

from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.http import HttpRequest

from authz import audit, authorizations
from authz.models import Authorization, User
from authz.sign_in import session_digest
from authz.transactions import settled
from xaa.events import Event
from xaa.models import Session

SIGNED_OUT = "signed_out"
SESSION_REVOKED = "session_revoked"


def connect() -> None:
    user_logged_in.connect(_started, dispatch_uid="xaa.sessions.started")
    user_logged_out.connect(_ended, dispatch_uid="xaa.sessions.ended")


def is_alive(digest: str, user: User) -> bool:
    """Whether the browser session behind a digest still belongs to this person."""
    session = Session.objects.filter(digest=digest, user=user).first()
    return session is not None and _belongs_to(session.session_key, user)


def end_by_digest(digest: str) -> None:
    """Sign out wherever the digest's session is: its ID tokens, and what its sign-ins alone gave, mint nothing more."""
    session = Session.objects.filter(digest=digest).first() if digest else None
    if session is not None:
        _forget(session)


def revoke(session: Session) -> int:
    """An administrator ends a sign-in: everything that was given in it ends, offline access too.

    Returns how many authorizations that were.
    """
    digest = session.digest
    _forget(session)
    with settled():
        return authorizations.end(
            Authorization.objects.filter(session_digest=digest), reason=SESSION_REVOKED, now=datetime.now(UTC)
        )


def _forget(session: Session) -> None:
    _store(session.session_key).delete()
    with settled():
        Session.objects.filter(digest=session.digest).delete()
        _end_sign_ins(session.digest)
        audit.record(Event.SESSION_ENDED, subject=str(session.user.subject))


def _end_sign_ins(digest: str) -> None:
    """Signing out ends the sign-ins to clients; an agent that was let in to an MCP server goes on, as does offline
    access, until somebody revokes it (OpenID Connect Core §11)."""
    sign_ins = Authorization.objects.filter(session_digest=digest, resource=None, revoked=None)
    here = [row.pk for row in sign_ins if "offline_access" not in row.identity_scopes]
    authorizations.end(Authorization.objects.filter(pk__in=here), reason=SIGNED_OUT, now=datetime.now(UTC))


def _started(request: HttpRequest, user: User, **_: Any) -> None:
    key = request.session.session_key
    if key is None:
        return
    Session.objects.update_or_create(digest=session_digest(key), defaults={"session_key": key, "user": user})
    for old in Session.objects.filter(user=user).exclude(session_key=key):
        if not _belongs_to(old.session_key, user):
            old.delete()


def _ended(request: HttpRequest, **_: Any) -> None:
    session = Session.objects.filter(digest=session_digest(request.session.session_key or "")).first()
    if session is not None:
        _forget(session)


def _belongs_to(session_key: str, user: User) -> bool:
    # An expired session loads as an empty one, and one that was flushed is no longer there.
    return str(_store(session_key).load().get(SESSION_KEY)) == str(user.pk)


def _store(session_key: str) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(session_key)
