"""Invitations: links by which people choose their first password (authz/sign_in/invitations.py)."""

import uuid

from django.conf import settings
from django.db import models


class Invitation(models.Model):
    """One link for one person. Only the digest of its token is kept, so a reader of the table cannot use it.

    `by` and `by_subject` say who invited. `used` and `voided` are when it was used, or replaced or taken back.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="invitations")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created = models.DateTimeField()
    expires = models.DateTimeField(db_index=True)
    by = models.CharField(max_length=150)
    by_subject = models.CharField(max_length=36, blank=True, default="")
    used = models.DateTimeField(null=True)
    voided = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created"]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(used=None, voided=None), name="authz_one_open_invitation"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} by {self.by}"
