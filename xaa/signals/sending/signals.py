"""Ends of access and changes of credentials that come by other ways than the switch and `authorizations.end`."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from django.db.models.signals import post_delete, post_save, pre_save

from authz.database.transactions import in_unit_of_work, unit_of_work
from authz.models import User
from authz.models.user import password_replaced
from xaa.models import IdJagReceipt, SubjectLink, TrustedIssuer
from xaa.signals.event_types import CredentialChange, InitiatingEntity
from xaa.signals.sending import ends, receivers

# > credential_type: This MUST be one of the following strings, or any other credential type supported mutually by the
# > Transmitter and the Receiver. (CAEP 1.0 §3.3.1) WebAuthn says whether a passkey roams, and allauth does not keep it.
_TYPES = {Authenticator.Type.TOTP.value: "app", Authenticator.Type.WEBAUTHN.value: "fido2-roaming"}


def connect() -> None:
    pre_save.connect(_before, sender=User, dispatch_uid="xaa.signals.before")
    post_save.connect(_after, sender=User, dispatch_uid="xaa.signals.after")
    password_replaced.connect(_password_replaced, dispatch_uid="xaa.signals.password_replaced")
    authenticator_added.connect(_factor_added, dispatch_uid="xaa.signals.factor_added")
    authenticator_removed.connect(_factor_removed, dispatch_uid="xaa.signals.factor_removed")
    post_save.connect(_issuer_changed, sender=TrustedIssuer, dispatch_uid="xaa.signals.issuer_changed")
    post_delete.connect(_issuer_removed, sender=TrustedIssuer, dispatch_uid="xaa.signals.issuer_removed")
    post_delete.connect(_unlinked, sender=SubjectLink, dispatch_uid="xaa.signals.unlinked")


def _write(tell: Callable[[], object]) -> None:
    """In the caller's transaction if there is one, so that it is told if it happens, and not otherwise."""
    if not receivers.current():
        return
    with nullcontext() if in_unit_of_work() else unit_of_work():
        tell()


def _before(instance: User, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Remember the account as it was, if it was enabled until now: only the change is told, by the names of before."""
    vars(instance).pop("_was", None)
    if instance.pk is None or instance.is_active or (update_fields is not None and "is_active" not in update_fields):
        return
    if receivers.current():
        vars(instance)["_was"] = User.all_objects.filter(pk=instance.pk, is_active=True).first()


def _after(instance: User, **_: Any) -> None:
    was: User | None = vars(instance).pop("_was", None)
    if was is not None:
        _write(lambda: ends.person_ended(was, datetime.now(UTC), reason="account_disabled"))


def _password_replaced(user: User, **_: Any) -> None:
    # A removed person loses their password, too; that they ended is told already.
    if not user.is_active:
        return
    change = CredentialChange.UPDATE if user.has_usable_password() else CredentialChange.REVOKE
    _write(lambda: ends.credential_changed(user, "password", change, datetime.now(UTC), by=InitiatingEntity.USER))


def _factor_added(user: User, authenticator: Authenticator, **_: Any) -> None:
    _factor(user, authenticator, CredentialChange.CREATE)


def _factor_removed(user: User, authenticator: Authenticator, **_: Any) -> None:
    _factor(user, authenticator, CredentialChange.DELETE)


def _factor(user: User, authenticator: Authenticator, change: CredentialChange) -> None:
    kind = _TYPES.get(authenticator.type)
    if kind is not None:
        _write(lambda: ends.credential_changed(user, kind, change, datetime.now(UTC), by=InitiatingEntity.USER))


def _issuer_changed(instance: TrustedIssuer, created: bool, **_: Any) -> None:
    is_believed = instance.enabled and TrustedIssuer.Use.ID_TOKEN.value in instance.accepts
    if not created and not is_believed:
        _issuer_removed(instance)


def _issuer_removed(instance: TrustedIssuer, **_: Any) -> None:
    rows = IdJagReceipt.objects.filter(issuer=instance.issuer)
    _write(lambda: ends.of_receipts(rows, "issuer_withdrawn", datetime.now(UTC)))


def _unlinked(instance: SubjectLink, **_: Any) -> None:
    rows = IdJagReceipt.objects.filter(issuer=instance.issuer.issuer, user=instance.user_id)
    _write(lambda: ends.of_receipts(rows, "subject_unlinked", datetime.now(UTC)))
