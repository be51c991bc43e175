"""Signing in with a password: by a username or an address, in the same time for all (attack 38).

One password is hashed for each attempt, whether the login names no person, one, several, a disabled one, one without a
password, or one who signs in elsewhere. So the time of an answer does not tell which accounts exist.
"""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from authz import registry
from authz.models import User
from authz.sign_in import emergency, people


class PasswordBackend(AuthenticationBackend):  # type: ignore[misc]  # allauth is untyped
    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        password = credentials.get("password")
        if not password:
            return None
        person = people.named(str(credentials.get("username") or credentials.get("email") or ""))
        # Without a person, a throwaway one does the same work. Without a usable password, Django does it.
        if not (person or _unknown_person()).check_password(password) or person is None:
            return None
        if registry.why_no_password(person):
            return None
        if not emergency.may_sign_in(person):
            return None
        if not self.user_can_authenticate(person):
            self._stash_user(person)  # allauth then shows the page of disabled accounts
            return None
        return person


def _unknown_person() -> User:
    person = User()
    person.set_unusable_password()
    return person
