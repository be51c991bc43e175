"""The store of browsers' sessions (`SESSION_ENGINE`): Django's, but a row is found by the digest of its session's key.

A key that is stored in clear could be stolen from the table or a copy of it, and would give its reader the session.
`expire_date` is the end by the limits of authz/sign_in/session_limits.py.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from authz.models import BrowserSession, User
from authz.sign_in import session_limits
from authz.sign_in.session import ELSEWHERE, session_digest

# The session's key for where, by which browser and when (`at`) the person signed in (authz/sign_in/sign_ins.py).
SIGNED_IN = "signed in from"


class SessionStore(db.SessionStore):
    _ends: datetime | None = None  # as the row says, of a session that was loaded
    _has_role = False
    _until: datetime | None = None

    @classmethod
    def get_model_class(cls) -> Any:
        return BrowserSession

    def _get_session_from_db(self) -> BrowserSession | None:
        rows = BrowserSession.objects.filter(digest=session_digest(self.session_key or ""))
        found = rows.filter(expire_date__gt=timezone.now()).first()
        if found is None:
            self._session_key = None
        else:
            self._ends = found.expire_date
        return found

    def exists(self, session_key: str) -> bool:
        return BrowserSession.objects.filter(digest=session_digest(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        return BrowserSession(
            digest=session_digest(self._get_or_create_session_key()),  # type: ignore[attr-defined]  # the stubs lack it
            session_data=self.encode(data),
            expire_date=self._end(data, time.time()),
            user_id=person_of(data),
            issuer=data.get(ELSEWHERE, {}).get("issuer", ""),
        )

    def save(self, must_create: bool = False) -> None:
        """Raises `UpdateError` for the session of a person who may not sign in (any more)."""
        data = {} if self.session_key is None else self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # the stubs lack it
        if (person := person_of(data)) is None:
            super().save(must_create)
            return
        with transaction.atomic():
            # A request that disables the person ends their sessions. It waits here, or this one does: a session that
            # were saved after it would live again when they are allowed back.
            able = User.objects.select_for_update(no_key=True).filter(pk=person, is_active=True)
            found = list(able.values_list("role", "emergency_until"))
            if not found:
                raise UpdateError
            self._has_role, self._until = found[0][0] != User.Role.NONE, found[0][1]
            super().save(must_create)

    def keep(self, user: User, now: float) -> bool:
        """Move the end of the person's session, which is in use `now`. False if it is over by the limits."""
        self._has_role, self._until = user.role != User.Role.NONE, user.emergency_until
        data = self._get_session()  # type: ignore[attr-defined]  # the stubs lack it
        wanted = self._end(data, now)
        if wanted.timestamp() <= now:
            return False
        if self._ends is not None and session_limits.is_worth_writing(self._ends.timestamp(), wanted.timestamp()):
            # One that was ended meanwhile does not come back.
            digest = session_digest(self.session_key or "")
            BrowserSession.objects.filter(digest=digest, expire_date__gt=datetime.fromtimestamp(now, UTC)).update(
                expire_date=wanted
            )
        return True

    def _end(self, data: dict[str, Any], now: float) -> datetime:
        if SESSION_KEY not in data:
            return self.get_expiry_date()
        started = (data.get(SIGNED_IN) or {}).get("at")
        return datetime.fromtimestamp(session_limits.end(started, now, has_role=self._has_role, until=self._until), UTC)

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            BrowserSession.objects.filter(digest=session_digest(key)).delete()


def person_of(data: dict[str, Any]) -> int | None:
    """The primary key of the person who is signed in by a session's data."""
    return User._meta.pk.to_python(data[SESSION_KEY]) if SESSION_KEY in data else None


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Each page keeps its person's session, until the session's limits."""

    def within(request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and isinstance(request.user, User):
            session: Any = request.session
            if not session.keep(request.user, time.time()):
                logout(request)
        return get_response(request)

    return within
