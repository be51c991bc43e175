"""People. What signs a person in is django-allauth's; what a person may do is decided by rules over groups."""

import uuid

from django.apps import apps
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person: may sign in, may delegate to agents, and may hold a role in the console.

    `subject` is the `sub` of every token: never reassigned, and never equal to a `client_id`
    (RFC 9068 §5 warns of a client that names itself like a person).
    """

    class Role(models.TextChoices):
        NONE = "none", "None"
        DEVELOPER = "developer", "Developer"
        AUDITOR = "auditor", "Auditor"
        APPROVER = "approver", "Approver"
        ADMINISTRATOR = "administrator", "Administrator"

    subject = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.NONE)

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"

    def save(self, *args: object, **kwargs: object) -> None:
        # `manage.py createsuperuser` makes the first administrator, and knows no roles.
        if self._state.adding and self.is_superuser:
            self.role = self.Role.ADMINISTRATOR
        # No client's id looks like a subject (authz/identifiers.py), unless it is older than that rule.
        if self._state.adding:
            while apps.get_model("authz", "Client").objects.filter(client_id__iexact=str(self.subject)).exists():
                self.subject = uuid.uuid4()
        # Django's admin asks is_staff and is_superuser; the role is the one place where that is decided.
        self.is_staff = self.role != self.Role.NONE
        self.is_superuser = self.role == self.Role.ADMINISTRATOR
        super().save(*args, **kwargs)  # type: ignore[arg-type]  # handed through unchanged
