"""Second factors: who has to show one, what of it the session has shown, and what is told when they change.

A role demands one (`GATEHOUSE_SECOND_FACTOR_ROLES`, docs/decisions/0105-factors-demanded.md). The session has to show
it, so a factor that is set up elsewhere, or was removed since, does not count.
"""

from collections.abc import Mapping
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset, authenticator_used
from django.http import HttpRequest

from authz import audit, notifications
from authz.conf import conf
from authz.database.transactions import in_unit_of_work, unit_of_work
from authz.models import User
from authz.notifications import Kind
from authz.sign_in import session

Type = Authenticator.Type
# What signs in as a second factor. Recovery codes stand in for one, and are none by themselves.
REAL = (Type.TOTP, Type.WEBAUTHN)
WORDS: Mapping[str, str] = {
    Type.TOTP: "Authenticator app",
    Type.RECOVERY_CODES: "Recovery codes",
    Type.WEBAUTHN: "Passkey",
}
_LAST = "Your role demands a second factor. Set up another one before you remove this one."


def connect() -> None:
    authenticator_added.connect(_added, dispatch_uid="authz.sign_in.second_factors.added")
    authenticator_removed.connect(_removed, dispatch_uid="authz.sign_in.second_factors.removed")
    authenticator_reset.connect(_codes_made, dispatch_uid="authz.sign_in.second_factors.codes_made")
    authenticator_used.connect(_used, dispatch_uid="authz.sign_in.second_factors.used")


def is_demanded(user: User) -> bool:
    # The password of an emergency account is its only factor, and opens an hour.
    return user.role in conf.second_factor_roles and not user.is_emergency


def is_due(request: HttpRequest) -> bool:
    """Whether the person of a request still has to show, or to set up, a second factor."""
    user = request.user
    return isinstance(user, User) and is_demanded(user) and not session.has_second_factor(request)


def of_person(user: User) -> list[Authenticator]:
    """The person's factors that are real ones."""
    return list(Authenticator.objects.filter(user=user, type__in=REAL))


def why_kept(user: User, removed: Authenticator | None) -> str:
    """Why a factor may not be removed; "" if it may. Inside a transaction that has the person's row."""
    if removed is None or removed.type not in REAL or not is_demanded(user):
        return ""
    left = Authenticator.objects.filter(user=user, type__in=REAL).exclude(pk=removed.pk)
    return "" if left.exists() else _LAST


def _added(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    if authenticator.type in REAL:
        # Setting it up shows it: the app's code was typed, or the key has answered a challenge.
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)
    _tell(user, authenticator, audit.Event.FACTOR_ADDED, "was added to your account")


def _removed(user: User, authenticator: Authenticator, **_: Any) -> None:
    _tell(user, authenticator, audit.Event.FACTOR_REMOVED, "was removed from your account")


def _codes_made(user: User, authenticator: Authenticator, **_: Any) -> None:
    _tell(user, authenticator, audit.Event.FACTOR_ADDED, "were made anew for your account")


def _used(user: User, authenticator: Authenticator, **_: Any) -> None:
    """A recovery code is what an attacker would use who has no factor."""
    if authenticator.type == Type.RECOVERY_CODES:
        # As it is stored: the row that was asked about is from before the code was crossed out.
        left = len(Authenticator.objects.get(pk=authenticator.pk).wrap().get_unused_codes())
        _tell(user, authenticator, audit.Event.RECOVERY_CODE_USED, f"were used: {left} are left", left=left)


def _tell(user: User, authenticator: Authenticator, event: audit.Event, what: str, **detail: object) -> None:
    def tell() -> None:
        kind = WORDS.get(authenticator.type, authenticator.type)
        known = {"username": user.username, "factor": str(authenticator.type), **detail}
        audit.record(event, subject=str(user.subject), detail=known)
        notifications.tell(
            Kind.FACTOR_CHANGED,
            [user],
            subject=f"{kind} {what}",
            body=f"{kind} {what}. If this was not you, change your password, end your sign-ins, and ask an"
            " administrator.",
            link="/account/sign-ins/",
            data={"subject": str(user.subject), "factor": str(authenticator.type), "event": event.value},
        )

    if in_unit_of_work():
        tell()
        return
    with unit_of_work():
        tell()
