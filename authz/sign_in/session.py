"""Who is signed in, since when and how: allauth's session in OpenID Connect's terms."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.signals import authentication_step_completed
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest
from django.urls import reverse

from authz import audit
from authz.limits.refusal_sampling import record_unauthenticated
from authz.models import User
from authz.protocol.errors import OAuthError, Reason

# RFC 8176 values for allauth's methods.
_AMR = {"password": "pwd", "totp": "otp", "webauthn": "hwk", "recovery_codes": "kba", "code": "otp"}
# allauth's name of a sign-in at an issuer, and the session's key for the issuer's claims about it: `auth_time`, `acr`,
# `amr`, each if they say so, `issuer` and `tenant`, and `again`, the address where the person signs in there anew.
_ELSEWHERE = "socialaccount"
_SECOND = "mfa"
ELSEWHERE = "sign-in elsewhere"
# In the environment of a request: the issuer that signed the person in says that they have shown a second factor.
VOUCHED = "gatehouse.second_factor_vouched"
# The authentication contexts that the session's next sign-in elsewhere asks for.
ACR_VALUES = "acr_values for elsewhere"


def connect() -> None:
    """Record sign-ins, sign-outs and failures, from the signals of Django and allauth."""
    user_logged_in.connect(_signed_in, dispatch_uid="authz.sign_in.session.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="authz.sign_in.session.signed_out")
    user_login_failed.connect(_failed, dispatch_uid="authz.sign_in.session.failed")
    authentication_failed.connect(_second_factor_failed, dispatch_uid="authz.sign_in.session.second_factor_failed")
    authentication_step_completed.connect(_step_completed, dispatch_uid="authz.sign_in.session.step_completed")


def _signed_in(user: User, **_: object) -> None:
    audit.record(audit.Event.SIGNED_IN, subject=str(user.subject), detail={"username": user.username})


def _signed_out(user: User | None, **_: object) -> None:
    if user is not None:
        audit.record(audit.Event.SIGNED_OUT, subject=str(user.subject), detail={"username": user.username})


def _failed(**_: object) -> None:
    # What was typed is not kept: people type passwords into the field for the name.
    record_unauthenticated(audit.Event.SIGN_IN_FAILED, OAuthError(Reason.CREDENTIALS_WRONG))


def _second_factor_failed(user: User, **_: object) -> None:
    error = OAuthError(Reason.SECOND_FACTOR_WRONG)
    record_unauthenticated(audit.Event.SIGN_IN_FAILED, error, subject=str(user.subject))


def _step_completed(user: User, method: str, reauthenticated: bool = False, **told: object) -> None:
    """A factor was right, and no sign-in is recorded with it: one was renewed, or another factor is still to come."""
    if reauthenticated or (method == "password" and is_mfa_enabled(user)):
        kind = str(told.get("type", method))
        record_factor(user, _AMR.get(kind, kind), "signing in anew" if reauthenticated else "the first of two")


def record_factor(user: User, kind: str, purpose: str) -> None:
    """Record that a factor was right where nothing else does. With the audit out of order, it is answered as a wrong
    one is."""
    audit.record(audit.Event.FACTOR_ACCEPTED, subject=str(user.subject), detail={"factor": kind, "for": purpose})


@dataclass(frozen=True, slots=True)
class BrowserSignIn:
    """A person's sign-in: `auth_time` in seconds since the epoch, `amr` as RFC 8176, the session as a digest, and the
    issuer and its tenant if an issuer signed the person in (else ""). `at` is the same time in fractions of a
    second: a request that came after it came after the sign-in.
    """

    auth_time: int
    acr: str
    amr: tuple[str, ...]
    session_digest: str
    issuer: str = ""
    tenant: str = ""
    at: float = 0.0

    @property
    def lineage(self) -> dict[str, str]:
        """What codes and authorizations say of it: they end with the trust in that issuer."""
        tenant = {"signed_in_tenant": self.tenant} if self.tenant else {}
        return {"signed_in_by": self.issuer, **tenant} if self.issuer else {}


def current(request: HttpRequest) -> BrowserSignIn:
    """The sign-in of a request whose person is signed in."""
    there = request.session.get(ELSEWHERE, {})
    shown = _shown(request, there)
    methods = tuple(dict.fromkeys(_AMR.get(kind, kind) for kind in map(_kind, shown) if kind != _ELSEWHERE))
    # A password or an issuer's sign-in and another factor, or a passkey alone, which asks for a PIN or a finger.
    several = bool(_seconds(shown)) and (len(shown) > 1 or any(record.get("passwordless") for record in shown))
    said = tuple(there.get("amr", ())) if _ELSEWHERE in map(_kind, shown) else ()
    return BrowserSignIn(
        # > auth_time: Time when the End-User authentication occurred (OpenID Connect Core §2). `amr` and `acr` speak of
        # all that was shown, so it is the time of the oldest of it: else a password alone would make an hour-old second
        # factor fresh (attack 38).
        auth_time=int(min((_shown_at(record, there) for record in shown), default=0)),
        acr=there.get("acr", ""),
        amr=tuple(dict.fromkeys((*methods, *said, *(("mfa",) if several else ())))),
        session_digest=session_digest(request.session.session_key or ""),
        issuer=there.get("issuer", ""),
        tenant=there.get("tenant", ""),
        # An issuer says whole seconds: the sign-in was somewhere in that one.
        at=min((min(record["at"], _shown_at(record, there) + 1) for record in shown), default=0.0),
    )


def has_second_factor(request: HttpRequest) -> bool:
    """Whether the session of a request has shown a second factor here that the person still has, or the issuer that
    signed the person in vouches for one (xaa/sign_in/liveness.py)."""
    return bool(request.META.get(VOUCHED)) or bool(second_factor_kinds(request))


def second_factor_kinds(request: HttpRequest) -> set[str]:
    """The kinds of second factors that the session has shown last: `totp`, `webauthn` or `recovery_codes`."""
    return _seconds(_shown(request, request.session.get(ELSEWHERE, {})))


def _seconds(shown: Sequence[Mapping[str, Any]]) -> set[str]:
    return {_kind(record) for record in shown if record["method"] == _SECOND}


def _shown(request: HttpRequest, there: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The last record of each factor: a password, a second factor, a sign-in at an issuer."""
    records = get_authentication_records(request, request.user)
    last = {str(record["method"]): record for record in records}
    # In a session with several sign-ins only the latest counts: an earlier one cannot be repeated.
    last.pop("password" if there.get("again") else _ELSEWHERE, None)
    # A factor that was removed cannot be shown again, so its earlier use no longer counts.
    if (second := last.get(_SECOND)) is not None and not _still_there(second):
        del last[_SECOND]
    return list(last.values())


def _still_there(record: Mapping[str, Any]) -> bool:
    return "id" not in record or Authenticator.objects.filter(pk=record["id"]).exists()


def _kind(record: Mapping[str, Any]) -> str:
    """A second factor is recorded as method "mfa" with its own type beside it."""
    return str(record.get("type", record["method"]))


def _shown_at(record: Mapping[str, Any], there: Mapping[str, Any]) -> float:
    """When the person showed who they are: coming back from elsewhere with an hour-old session there is no sign-in."""
    at: float = record["at"]
    return min(at, there.get("auth_time", at)) if record["method"] == _ELSEWHERE else at


def anew(request: HttpRequest) -> str:
    """The address where the person of a request shows once more what they showed longest ago. Where that is not all of
    it, they are sent on from there: a step-up is met by all that the sign-in stands for."""
    there = request.session.get(ELSEWHERE, {})
    oldest = min(_shown(request, there), key=lambda record: _shown_at(record, there), default=None)
    if oldest is not None and oldest["method"] == _SECOND:
        is_passkey = _kind(oldest) == Authenticator.Type.WEBAUTHN
        return reverse("mfa_reauthenticate_webauthn" if is_passkey else "mfa_reauthenticate")
    return there.get("again", "") or reverse("account_reauthenticate")


def is_elsewhere(request: HttpRequest) -> bool:
    """Whether the person of a request signed in at an issuer, which may support further methods."""
    return bool(request.session.get(ELSEWHERE, {}).get("again"))


def session_digest(session_key: str) -> str:
    """A session as it is stored beside grants: enough to end what rests on it, not enough to take it over."""
    return hashlib.sha256(session_key.encode()).hexdigest() if session_key else ""
