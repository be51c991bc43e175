"""People. What signs a person in is django-allauth's; what a person may do is decided by rules over groups."""

import uuid
from collections.abc import Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from django.apps import apps
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.password_validation import validate_password
from django.db import models, transaction
from django.dispatch import Signal

from authz.models.ended import StandingPeople, ended_column
from authz.protocol import email_addresses

# Sent in the transaction that gives a person another password, or takes it away; `user`.
password_replaced = Signal()


if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
else:
    _CharField = models.CharField


class AddressKeyField(_CharField):
    """`email_addresses.key` of the row's `email`, written whenever the row is, by bulk_create() too."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        value = email_addresses.key(getattr(model_instance, "email", "") or "")
        setattr(model_instance, self.attname, value)
        return value


class People(StandingPeople["User"]):
    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **extra_fields: Any
    ) -> "User":
        """Django's, with the password validators. Raises ValidationError.

        `manage.py createsuperuser` does not run them for a password from the environment, and offers to bypass them.
        """
        if password is not None:
            validate_password(password, self.model(username=username, email=email or ""))
        return super().create_superuser(username, email, password, **extra_fields)


class User(AbstractUser):
    """A person: may sign in, may delegate to agents, and may have a role in the console.

    `subject` is the `sub` of each token: never reassigned, and never equal to a `client_id`
    (RFC 9068 §5 warns of a client with the name of a person).
    """

    class Role(models.TextChoices):
        NONE = "none", "None"
        DEVELOPER = "developer", "Developer"
        AUDITOR = "auditor", "Auditor"
        APPROVER = "approver", "Approver"
        ADMINISTRATOR = "administrator", "Administrator"

    subject = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.NONE)
    # Three times as long as an address: a character folds to three at the most.
    email_key = AddressKeyField(max_length=762, default="", db_default="", editable=False, db_index=True)
    # An issuer made the account, or signs the person in: no mail gives it a password, also when the issuer is gone.
    is_from_elsewhere = models.BooleanField(default=False, db_default=False, editable=False)

    # Made by a command, for emergencies (authz/sign_in/emergency.py). Its first use sets the end of its hour.
    is_emergency = models.BooleanField(default=False, db_default=False, editable=False)
    emergency_until = models.DateTimeField(null=True, editable=False)

    ended = ended_column()

    objects: ClassVar[People] = People()
    all_objects: ClassVar[models.Manager["User"]] = models.Manager()

    _has_lost_its_password = False

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        indexes = (
            models.Index(fields=["emergency_until"], condition=models.Q(is_emergency=True), name="emergency_accounts"),
        )

    def set_unusable_password(self) -> None:
        super().set_unusable_password()
        self._has_lost_its_password = True

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        # `manage.py createsuperuser` makes the first administrator, and knows no roles.
        if self._state.adding and self.is_superuser:
            self.role = self.Role.ADMINISTRATOR
        # No client's id looks like a subject (authz/clients/identifiers.py), unless it is older than that rule.
        if self._state.adding:
            while apps.get_model("authz", "Client").objects.filter(client_id__iexact=str(self.subject)).exists():
                self.subject = uuid.uuid4()
        # Django's admin reads is_staff and is_superuser; only the role decides.
        self.is_staff = self.role != self.Role.NONE
        self.is_superuser = self.role == self.Role.ADMINISTRATOR
        if update_fields is not None and "email" in update_fields:
            update_fields = {*update_fields, "email_key"}
        # `_password` is what set_password() got. Hashing the same password again with a newer hasher sets none.
        given: str | None = getattr(self, "_password", None)
        has_another = not self._state.adding and (given is not None or self._has_lost_its_password)
        with transaction.atomic() if has_another else nullcontext():
            super().save(*args, update_fields=update_fields, **kwargs)
            self._has_lost_its_password = False
            if has_another:
                password_replaced.send(sender=User, user=self)
