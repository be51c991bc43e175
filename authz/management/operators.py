"""The operator at the terminal. There is no sign-in, so it is the operating system's account."""

import getpass

from django.core.management.base import CommandError

from authz.management import lookups
from authz.models import User


def operator() -> str:
    """The account's name; empty where the system knows none (a container without a list of users)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def administrator(username: str) -> User:
    """The administrator in whose name a command decides. Raises `CommandError`."""
    person = User.objects.filter(username=username, is_active=True, role=User.Role.ADMINISTRATOR).first()
    if person is None:
        lookups.person(username)
        raise CommandError(f"{username!r} is not an administrator.")
    return person
