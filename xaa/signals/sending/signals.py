"""Ends of access and changes of credentials that come by other ways than the switch and `authorizations.end`."""

from collections.abc import Callable, Collection
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from django.contrib.auth.models import Group
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from authz.database.transactions import in_unit_of_work, unit_of_work
from authz.models import User
from authz.models.user import password_replaced
from authz.sign_in import memberships
from xaa.models import IdJagReceipt, SubjectLink, TrustedIssuer
from xaa.signals.event_types import CredentialChange, EventType, InitiatingEntity
from xaa.signals.sending import claims, ends, receivers

# > credential_type: This MUST be one of the following strings, or any other credential type supported mutually by the
# > Transmitter and the Receiver. (CAEP 1.0 §3.3.1) WebAuthn says whether a passkey roams, and allauth does not keep it.
_TYPES = {Authenticator.Type.TOTP.value: "app", Authenticator.Type.WEBAUTHN.value: "fido2-roaming"}


# The columns of an account whose change is told.
_TOLD = {"is_active", "ended", *claims.OF_COLUMNS}


def connect() -> None:
    pre_save.connect(_before, sender=User, dispatch_uid="xaa.signals.before")
    post_save.connect(_after, sender=User, dispatch_uid="xaa.signals.after")
    m2m_changed.connect(_groups_set, sender=User.groups.through, dispatch_uid="xaa.signals.groups_set")
    memberships.changed.connect(_memberships_changed, dispatch_uid="xaa.signals.memberships_changed")
    post_save.connect(_group_renamed, sender=Group, dispatch_uid="xaa.signals.group_renamed")
    pre_delete.connect(_group_goes, sender=Group, dispatch_uid="xaa.signals.group_goes")
    post_delete.connect(_group_gone, sender=Group, dispatch_uid="xaa.signals.group_gone")
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
    """Remember the account as it was: only the change is told, by the names of before."""
    vars(instance).pop("_was", None)
    written = _TOLD if update_fields is None else _TOLD & set(update_fields)
    if instance.pk is not None and written and receivers.current():
        vars(instance)["_was"] = User.all_objects.filter(pk=instance.pk).first()


def _after(instance: User, **_: Any) -> None:
    was: User | None = vars(instance).pop("_was", None)
    if was is None:
        return
    now, is_purged = datetime.now(UTC), instance.ended is not None and was.ended is None
    if was.is_active and not instance.is_active:
        kind = EventType.ACCOUNT_PURGED if is_purged else EventType.ACCOUNT_DISABLED
        _write(lambda: ends.person_ended(was, now, reason="account_disabled", kind=kind))
    elif is_purged:
        _write(lambda: ends.account_changed(was, EventType.ACCOUNT_PURGED, now))
    elif instance.is_active and not was.is_active:
        _write(lambda: ends.account_changed(instance, EventType.ACCOUNT_ENABLED, now))
    columns = [name for name in claims.OF_COLUMNS if getattr(was, name) != getattr(instance, name)]
    if columns and instance.is_active:
        names = frozenset[str]().union(*(claims.OF_COLUMNS[name] for name in columns))
        _write(lambda: claims.changed([instance.pk], names, now))


def _memberships_changed(people: Collection[int], **_: Any) -> None:
    _write(lambda: claims.changed(people, claims.GROUPS, datetime.now(UTC)))


def _groups_set(instance: User | Group, action: str, reverse: bool, pk_set: set[int] | None, **_: Any) -> None:
    if action in {"post_add", "post_remove"} and pk_set:
        _memberships_changed(pk_set if reverse else [instance.pk])
    elif action == "post_clear" and not reverse:
        _memberships_changed([instance.pk])


def _group_renamed(instance: Group, created: bool, **_: Any) -> None:
    if not created and receivers.current():
        _memberships_changed(_members(instance))


def _group_goes(instance: Group, **_: Any) -> None:
    if receivers.current():
        vars(instance)["_members"] = _members(instance)


def _group_gone(instance: Group, **_: Any) -> None:
    _memberships_changed(vars(instance).pop("_members", ()))


def _members(group: Group) -> list[int]:
    return list(User.groups.through.objects.filter(group_id=group.pk).values_list("user_id", flat=True))


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
