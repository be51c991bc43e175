"""Whether a sign-in still lives: what an ID token's `sid` is asked about before it may mint anything."""

from datetime import UTC, datetime
from typing import Any

from allauth.account.signals import password_changed
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models import QuerySet
from django.http import HttpRequest

from authz import audit, authorizations
from authz.database import raw_sql
from authz.database.transactions import in_unit_of_work, unit_of_work
from authz.models import Authorization, BrowserSession, User
from authz.models.user import password_replaced
from authz.sign_in.session import session_digest
from xaa import trusted_issuers
from xaa.events import Event
from xaa.models import Session

SIGNED_OUT = "signed_out"


def connect() -> None:
    user_logged_in.connect(_started, dispatch_uid="xaa.subjects.sessions.started")
    user_logged_out.connect(_ended, dispatch_uid="xaa.subjects.sessions.ended")
    password_replaced.connect(_password_replaced, dispatch_uid="xaa.subjects.sessions.password_replaced")
    # The browser in which a person changed their password goes on, under a new key.
    password_changed.connect(_started, dispatch_uid="xaa.subjects.sessions.password_changed")


# A session's key belongs to one sign-in: signing out removes its row, and signing in, as the same person or another,
# gives the browser a new key. So a row that is there and has not expired is that sign-in, still alive.
_ALIVE = (
    "SELECT d.issuer FROM xaa_session x JOIN authz_browsersession d ON d.digest = x.digest"
    " WHERE x.digest = %s AND x.user_id = %s AND d.expire_date > %s"
)


def is_alive(digest: str, user: User) -> bool:
    """Whether the sign-in behind a digest is this person's and still lives in a browser's session."""
    row = raw_sql.one(_ALIVE, (digest, user.pk, raw_sql.timestamp(datetime.now(UTC))))
    return row is not None and (not row[0] or _still_signs_in(row[0]))


def _still_signs_in(issuer: str) -> bool:
    trust = trusted_issuers.cached().get(issuer)
    return trust is not None and trust.signs_in


def end_by_digest(digest: str) -> None:
    """Sign out wherever the digest's session is: its ID tokens, and what its sign-ins alone gave, mint nothing more."""
    found = Session.objects.filter(digest=digest)
    if digest and found.exists():
        with unit_of_work():
            end(found)


def end(sessions: QuerySet[Session]) -> None:
    """Sign out these. Call it inside `unit_of_work()`."""
    for session in sessions.select_related("user"):
        BrowserSession.objects.filter(digest=session.digest).delete()
        Session.objects.filter(digest=session.digest).delete()
        _end_sign_ins(session.digest)
        audit.record(Event.SESSION_ENDED, subject=str(session.user.subject))


def _end_sign_ins(digest: str) -> None:
    """Signing out ends the sign-ins to clients. An agent's access to an MCP server goes on, as does offline access,
    until it is revoked (OpenID Connect Core §11)."""
    sign_ins = Authorization.objects.filter(session_digest=digest, resource=None, revoked=None)
    here = [row.pk for row in sign_ins if "offline_access" not in row.identity_scopes]
    authorizations.end(Authorization.objects.filter(pk__in=here), reason=SIGNED_OUT, now=datetime.now(UTC))


def _started(request: HttpRequest, user: User, **_: Any) -> None:
    key = request.session.session_key
    if key is None:
        return
    Session.objects.update_or_create(digest=session_digest(key), defaults={"user": user})
    alive = BrowserSession.objects.filter(expire_date__gt=datetime.now(UTC)).values("digest")
    Session.objects.filter(user=user).exclude(digest__in=alive).delete()


def _ended(request: HttpRequest, **_: Any) -> None:
    end_by_digest(session_digest(request.session.session_key or ""))


def _password_replaced(user: User, **_: Any) -> None:
    """Sign-ins with the old password end (authz/sign_in/password_changes.py), and no token is issued from them."""
    found = Session.objects.filter(user=user)
    if in_unit_of_work():
        end(found)
        return
    with unit_of_work():
        end(found)
