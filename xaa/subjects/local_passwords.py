"""Who has no password here, since an issuer signs them in (PASSWORD_CHECKS, authz/registry.py).

People of an issuer end with it. A password of their own would let them go on when it is disabled, or has let them
go (docs/decisions/0037-people-and-sign-in.md).
"""

from django.db.models import Q

from authz.database.transactions import in_unit_of_work, unit_of_work
from authz.models import User
from authz.sign_in import password_changes
from xaa.models import SubjectLink


def why_no_password(user: User) -> str:
    """Why a linked person may have no password, in words. Only a person who had one before the link, and whose issuer
    does not sign people in, keeps it.

    A configured `sign_in` counts also while the issuer is disabled.
    """
    links = SubjectLink.objects.filter(user=user).select_related("issuer")
    if user.has_usable_password():
        links = links.filter(Q(issuer__sign_in__isnull=False))
    link = links.first()
    return f"{user.username} is a person of {link.issuer}, and signs in there." if link is not None else ""


def take(user: User) -> None:
    """An issuer signs the person in from now on: the earlier password is of no use any more."""
    if user.is_from_elsewhere and not user.has_usable_password():
        return
    if in_unit_of_work():
        _take(user)
        return
    with unit_of_work():
        _take(user)


def _take(user: User) -> None:
    found = User.objects.select_for_update().get(pk=user.pk)
    found.is_from_elsewhere = True
    if found.has_usable_password():
        found.set_unusable_password()
    with password_changes.keeping_agents():
        found.save(update_fields=["password", "is_from_elsewhere"])
    user.password = found.password
