"""The store of browsers' sessions (`SESSION_ENGINE`): Django's, but a row is found by the digest of its session's key.

A key that is stored in clear could be stolen from the table or a copy of it, and would give its reader the session.
"""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import transaction
from django.utils import timezone

from authz.models import BrowserSession, User
from authz.sign_in.session import ELSEWHERE, session_digest


class SessionStore(db.SessionStore):
    @classmethod
    def get_model_class(cls) -> Any:
        return BrowserSession

    def _get_session_from_db(self) -> BrowserSession | None:
        rows = BrowserSession.objects.filter(digest=session_digest(self.session_key or ""))
        found = rows.filter(expire_date__gt=timezone.now()).first()
        if found is None:
            self._session_key = None
        return found

    def exists(self, session_key: str) -> bool:
        return BrowserSession.objects.filter(digest=session_digest(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        return BrowserSession(
            digest=session_digest(self._get_or_create_session_key()),  # type: ignore[attr-defined]  # the stubs lack it
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
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
            if not list(
                User.objects.select_for_update(no_key=True).filter(pk=person, is_active=True).values_list("pk")
            ):
                raise UpdateError
            super().save(must_create)

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            BrowserSession.objects.filter(digest=session_digest(key)).delete()


def person_of(data: dict[str, Any]) -> int | None:
    """The primary key of the person who is signed in by a session's data."""
    return User._meta.pk.to_python(data[SESSION_KEY]) if SESSION_KEY in data else None
