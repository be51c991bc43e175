"""`manage.py changepassword`: Django's own, but not for people who sign in by an issuer."""

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.core.management.base import CommandError

from authz import registry
from authz.management.operators import operator
from authz.models import User


class Command(changepassword.Command):
    """Ends everything that rests on the old password, and is recorded (authz/sign_in/password_changes.py)."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        person = User.objects.filter(username=options["username"] or operator()).first()
        if person is not None and (why := registry.why_no_password(person)):
            raise CommandError(why)
        return super().handle(*args, **options)
