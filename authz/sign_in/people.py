"""Finding a person by a typed login or an issuer's claim: a username, or an email address that counts.

An address counts only if an administrator, an issuer or a verification gave it
(docs/decisions/0037-people-and-sign-in.md).
"""

from allauth.account.models import EmailAddress
from django.db.models import Q

from authz.database import raw_sql
from authz.models import User
from authz.protocol import email_addresses

# Each ID token and each exchange asks (`make bench`).
_ENTERED = "SELECT email FROM account_emailaddress WHERE user_id = %s AND NOT verified"


def with_address(address: str) -> list[User]:
    """The people with this address, if it counts, disabled ones included."""
    if not address:
        return []
    # The database proposes, by its own comparison too, for rows that were changed at its prompt; `are_same` decides.
    rows = User.objects.filter(Q(email_key=email_addresses.key(address)) | Q(email__iexact=address)).order_by("pk")
    return [person for person in rows if email_addresses.are_same(person.email, address) and is_vouched_for(person)]


def is_vouched_for(person: User) -> bool:
    """Whether the person's address is known to be theirs.

    Administrators and trusted issuers vouch for the addresses that they give. One that the person entered, as earlier
    versions allowed, counts only once it is verified: otherwise a person could claim another's address (attack 23).
    """
    return not any(
        email_addresses.are_same(entered, person.email) for (entered,) in raw_sql.every(_ENTERED, (person.pk,))
    )


def vouch(person: User) -> None:
    """An administrator confirms the person's address."""
    for row in EmailAddress.objects.filter(user_id=person.pk, verified=False):
        if email_addresses.are_same(row.email, person.email):
            row.delete()


def named(login: str) -> User | None:
    """The one person who may sign in under a username or an address; None where there is none, or more than one."""
    alike = [
        person
        for person in User.objects.filter(username__iexact=login).order_by("pk")[:20]
        if email_addresses.are_same(person.username, login)
    ]
    found = [person for person in alike if person.username == login] or alike or with_address(login)
    return found[0] if len(found) == 1 else None
