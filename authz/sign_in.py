"""Who is signed in, since when and how: what allauth's session says, in OpenID Connect's words."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.signals import authentication_step_completed
from allauth.mfa.signals import authentication_failed
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest
from django.urls import reverse

from authz import audit, rate_limits
from authz.addresses import client_address
from authz.models import User
from authz.protocol.errors import OAuthError, Reason
from authz.refusals import record_unauthenticated

# RFC 8176 values for allauth's methods.
_AMR = {"password": "pwd", "totp": "otp", "webauthn": "hwk", "recovery_codes": "kba", "code": "otp"}
# allauth's word for a sign-in at somebody else's, and where the session keeps what they say of it: `auth_time`, `acr`,
# `amr`, each if they say so, and `again`, the address where the person signs in there anew.
_ELSEWHERE = "socialaccount"
ELSEWHERE = "sign-in elsewhere"
# The authentication contexts that the session's next sign-in elsewhere asks for.
ACR_VALUES = "acr_values for elsewhere"


def connect() -> None:
    """Record who signs in and out, and who fails to: what Django and allauth tell by their signals."""
    user_logged_in.connect(_signed_in, dispatch_uid="authz.sign_in.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="authz.sign_in.signed_out")
    user_login_failed.connect(_failed, dispatch_uid="authz.sign_in.failed")
    authentication_failed.connect(_second_factor_failed, dispatch_uid="authz.sign_in.second_factor_failed")
    authentication_step_completed.connect(_step_completed, dispatch_uid="authz.sign_in.step_completed")


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


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """People are made by administrators, by `apply` or by a trusted issuer; nobody signs up."""

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request.META)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        # `origin` says "page"; limits are the sign-in's own.
        with audit.origin(client_address(request.META), audit.current_origin().request_id, "login"):
            rate_limits.admit_sign_in(_account(credentials))
        self._login_failed_rl_usage = None

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        rate_limits.sign_in_refused(_account(credentials))

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


def _account(credentials: dict[str, Any]) -> str:
    return str(credentials.get("username") or credentials.get("email") or "")


@dataclass(frozen=True, slots=True)
class SignIn:
    """A person's sign-in: `auth_time` in seconds since the epoch, `amr` as RFC 8176, the session as a digest."""

    auth_time: int
    acr: str
    amr: tuple[str, ...]
    session_digest: str


def current(request: HttpRequest) -> SignIn:
    """The sign-in of a request whose person is signed in."""
    records = get_authentication_records(request, request.user)
    there = request.session.get(ELSEWHERE, {})
    # A second factor is recorded as method "mfa" with its own type beside it.
    kinds = [record.get("type", record["method"]) for record in records]
    methods = tuple(dict.fromkeys(_AMR.get(kind, kind) for kind in kinds if kind != _ELSEWHERE))
    several = len({"pwd"} & set(methods)) and len(set(methods) - {"pwd"})
    said = tuple(there.get("amr", ())) if _ELSEWHERE in kinds else ()
    return SignIn(
        auth_time=int(max((_moment(record, there) for record in records), default=0)),
        acr=there.get("acr", ""),
        amr=tuple(dict.fromkeys((*methods, *said, *(("mfa",) if several else ())))),
        session_digest=session_digest(request.session.session_key or ""),
    )


def _moment(record: Mapping[str, Any], there: Mapping[str, Any]) -> float:
    """When the person showed who they are: coming back from elsewhere with an hour-old session there is no sign-in."""
    at: float = record["at"]
    return min(at, there.get("auth_time", at)) if record["method"] == _ELSEWHERE else at


def anew(request: HttpRequest) -> str:
    """The address where the person of a request signs in once more: where they did."""
    there: str = request.session.get(ELSEWHERE, {}).get("again", "")
    return there or reverse("account_reauthenticate")


def is_elsewhere(request: HttpRequest) -> bool:
    """Whether the person of a request signed in at somebody else's, who may know more ways of doing so than we do."""
    return bool(request.session.get(ELSEWHERE, {}).get("again"))


def session_digest(session_key: str) -> str:
    """A session as it is stored beside grants: enough to end what rests on it, not enough to take it over."""
    return hashlib.sha256(session_key.encode()).hexdigest() if session_key else ""
