"""Rows that have ended and stay, because they have had an authorization (authz/authorizations/removal.py).

Default managers do not return them; `all_objects` does. Foreign keys (authorizations, the audit) still find them.
"""

from datetime import datetime
from typing import TypeVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from oauth2_provider.models import ApplicationManager

Row = TypeVar("Row", bound=models.Model)
Person = TypeVar("Person", bound=AbstractUser)


class Standing(models.Manager[Row]):
    """Those that have not ended."""

    def get_queryset(self) -> models.QuerySet[Row]:
        return super().get_queryset().filter(ended=None)


class StandingClients(Standing[models.Model], ApplicationManager):
    """The same, with the toolkit's ways."""


class StandingPeople(Standing[Person], UserManager[Person]):
    """The same, with Django's ways."""

    use_in_migrations = False


def ended_column() -> "models.DateTimeField[datetime | None, datetime | None]":
    return models.DateTimeField(
        null=True, editable=False, help_text="When it was removed; it stays since authorizations rested on it."
    )
