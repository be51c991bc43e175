"""The sign-ins of people: where and how each began, as the browser's session keeps it.

The address and the browser are noted when a person signs in, in the session itself, so they go with it.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.db.models import QuerySet
from django.http import HttpRequest

from authz import audit
from authz.models import BrowserSession, User
from authz.sign_in import browser_names
from authz.sign_in.browser_sessions import SIGNED_IN, SessionStore
from authz.sign_in.session import ELSEWHERE

# allauth's methods in words. A sign-in at an issuer is named by the issuer.
_METHODS = {
    "password": "password",
    "totp": "authenticator app",
    "recovery_codes": "recovery code",
    "webauthn": "passkey",
}
SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRow:
    """One sign-in in one browser. `methods` are words; `issuer` signed the person in, else empty.

    `address` and `browser` are empty, and `started` is None, where an older version made the session.
    """

    digest: str
    started: datetime | None
    expires: datetime
    address: str
    browser: str
    methods: tuple[str, ...]
    issuer: str

    @property
    def how(self) -> str:
        """`password, authenticator app`, or the issuer with what it said."""
        return ", ".join((*((self.issuer,) if self.issuer else ()), *self.methods)) or "—"


# One that has ended since it was listed.
NOT_KNOWN = SignInRow(
    digest="", started=None, expires=datetime.min.replace(tzinfo=UTC), address="", browser="", methods=(), issuer=""
)


def connect() -> None:
    user_logged_in.connect(_note, dispatch_uid="authz.sign_in.sign_ins.note")


def _note(request: HttpRequest | None = None, **_: Any) -> None:
    if request is not None:
        request.session[SIGNED_IN] = {
            "address": audit.current_origin().address,
            "browser": browser_names.in_words(request.META.get("HTTP_USER_AGENT", "")),
            "at": time.time(),
        }


def live(now: datetime) -> QuerySet[BrowserSession]:
    """The sessions in which a person is signed in."""
    return BrowserSession.objects.filter(expire_date__gt=now).exclude(user=None)


def of_person(user: User, now: datetime) -> list[SignInRow]:
    """The newest first."""
    found = [row_of(session) for session in live(now).filter(user=user).order_by("-expire_date")[:SHOWN]]
    return sorted(found, key=lambda row: row.started or datetime.min.replace(tzinfo=UTC), reverse=True)


def by_digest(digests: Iterable[str], now: datetime) -> Mapping[str, SignInRow]:
    return {row.digest: row_of(row) for row in live(now).filter(digest__in=list(digests))}


def row_of(session: BrowserSession) -> SignInRow:
    data: dict[str, Any] = SessionStore().decode(session.session_data)
    known = data.get(SIGNED_IN) or {}
    records = data.get(AUTHENTICATION_METHODS_SESSION_KEY) or ()
    shown = [str(record.get("type") or record.get("method")) for record in records]
    there = data.get(ELSEWHERE) or {}
    said = tuple(str(name) for name in there.get("amr", ()))
    return SignInRow(
        digest=session.digest,
        started=datetime.fromtimestamp(known["at"], UTC) if "at" in known else None,
        expires=session.expire_date,
        address=str(known.get("address", "")),
        browser=str(known.get("browser", "")),
        methods=tuple(dict.fromkeys((*(_METHODS[name] for name in shown if name in _METHODS), *said))),
        issuer=session.issuer,
    )
