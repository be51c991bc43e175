"""Plans: changes of the configuration that wait until another person approves them (authz/configuration/plans.py)."""

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models


class ConfigurationPlan(models.Model):
    """A configuration file, and what applying it would change at the time of planning.

    `changes` is the diff without secrets. `file` is the file itself as ciphertext, since it may hold secrets; it goes
    once nothing needs it. `state` is a keyed digest of what the plan changes, before it and after it: a plan whose
    digest would be another one by now is not applied.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waits for approval"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"
        APPLIED = "applied", "Applied"
        OUTDATED = "outdated", "Outdated"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.WAITING)
    created = models.DateTimeField()
    expires = models.DateTimeField(db_index=True)
    planned_by = models.CharField(max_length=255)
    planned_by_subject = models.CharField(max_length=36, blank=True, default="", help_text="If a person planned it.")
    planned_by_client = models.CharField(max_length=1024, blank=True, default="", help_text="If a program did.")
    note = models.CharField(max_length=500, blank=True, default="")
    prune = models.BooleanField()
    file = models.BinaryField(null=True)
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=64)
    changes = models.JSONField(default=list)
    states = models.JSONField(default=list, help_text="Beside each change the digest of its item at that time.")
    warnings = models.JSONField(default=list)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_by_name = models.CharField(max_length=150, blank=True, default="")
    decided = models.DateTimeField(null=True)
    comment = models.CharField(max_length=500, blank=True, default="")
    applied_by = models.CharField(max_length=255, blank=True, default="")
    applied = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "plan"
        ordering = ["-created", "-id"]

    def __str__(self) -> str:
        return f"plan of {self.planned_by}"

    def status_at(self, now: datetime) -> str:
        """Its status as people see it: what is still open after its end has expired."""
        is_open = self.status in {self.Status.WAITING, self.Status.APPROVED}
        return "expired" if is_open and self.expires <= now else str(self.status)
