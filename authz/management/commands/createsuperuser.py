"""`manage.py createsuperuser`: Django's own, and the audit says that it happened."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from authz import audit
from authz.management.operators import operator
from authz.models import User


class Command(createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        known = set(User.objects.filter(is_superuser=True).values_list("pk", flat=True))
        # It asks at the terminal, for which no transaction may stay open: what it made is looked for afterwards.
        super().handle(*args, **options)
        for made in User.objects.filter(is_superuser=True).exclude(pk__in=known):
            audit.record(
                audit.Event.CONFIGURATION_CREATED,
                detail={"section": "users", "key": made.username, "after": {"role": made.role}, "by": operator()},
            )
