"""Access requests: requests that a rule lets a human decide, and the decisions."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

# A request that is neither answered nor repeated for so long has lapsed.
LAPSES_AFTER = timedelta(days=30)


class AccessRequest(models.Model):
    """One request that waits for a human, however often it is repeated; then the answer, which has an end date.

    `scopes` are those that wait, `approved_scopes` the approved ones of them. `resource` is a URI and not a foreign
    key, because it may belong to another authorization server. Where `needs_rule` is true, no rule waits: accepting it
    makes a rule (authz/approvals/rule_requests.py). `client_digest` is a digest of the client's security at
    that time: an approval is void if that changes.
    """

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        APPROVED = "approved", "Approved"
        DENIED = "denied", "Denied"
        EXPIRED = "expired", "Expired"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    digest = models.CharField(max_length=64, editable=False, help_text="What is asked, as one value.")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN)
    client = models.ForeignKey(settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.PROTECT)
    client_digest = models.CharField(max_length=64, blank=True, default="")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="access_requests"
    )
    resource = models.CharField(max_length=1024, blank=True, default="")
    grant_type = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    reason = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="In the words of who waits."
    )
    needs_rule = models.BooleanField(
        default=False, db_default=False, help_text="No rule allows it: the answer that gives access is a new rule."
    )
    call = models.JSONField(
        null=True, help_text="The tool and the arguments that may be shown; none: not for one call."
    )
    call_digest = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="Of the tool and of all arguments."
    )
    once = models.BooleanField(default=False, db_default=False, help_text="The approval is for one call.")
    used = models.DateTimeField(null=True, help_text="When that call was made.")
    extension_fields = models.JSONField(null=True, help_text="What extensions asked for, by id; none: nothing yet.")
    context = models.JSONField(default=dict, help_text="The rules that made it wait, and where it came from.")
    first_asked = models.DateTimeField()
    last_asked = models.DateTimeField()
    asked = models.PositiveIntegerField(default=1)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="decided_requests"
    )
    decided = models.DateTimeField(null=True)
    comment = models.CharField(max_length=500, blank=True, default="")
    approved_scopes = models.JSONField(default=list)
    not_before = models.DateTimeField(null=True)
    expires = models.DateTimeField(null=True, help_text="When the answer ends; the next ask is a new request.")
    remind = models.DateTimeField(null=True, help_text="When to tell that it ends soon; empty: never, or done.")

    class Meta:
        ordering = ["-last_asked"]
        constraints = [
            models.UniqueConstraint(
                fields=["digest"], condition=models.Q(status="open"), name="authz_one_open_access_request"
            )
        ]
        indexes = [
            models.Index(fields=["client", "user", "status"], name="authz_request_of"),
            models.Index(fields=["status", "last_asked"], name="authz_request_queue"),
            models.Index(fields=["remind"], name="authz_request_remind", condition=~models.Q(remind=None)),
        ]

    def __str__(self) -> str:
        agent = self.client.name or self.client.client_id
        return f"{agent} for {self.user.username if self.user else 'itself'}"

    def state(self, now: datetime) -> str:
        """The status at this time, whatever status is stored."""
        if self.status == self.Status.APPROVED and self.expires is not None and self.expires <= now:
            return str(self.Status.EXPIRED)
        if self.status == self.Status.OPEN and self.last_asked <= now - LAPSES_AFTER:
            return str(self.Status.EXPIRED)
        return self.status


class AccessVote(models.Model):
    """One approver's vote on one access request. An approval by several is the intersection of their `scopes`, until
    the earliest `expires`. A vote that expired before the others came does not count.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(AccessRequest, on_delete=models.CASCADE, related_name="votes")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="access_votes")
    approves = models.BooleanField()
    scopes = models.JSONField(default=list)
    expires = models.DateTimeField()
    once = models.BooleanField(default=False, db_default=False)
    comment = models.CharField(max_length=500, blank=True, default="")
    time = models.DateTimeField()

    class Meta:
        ordering = ["time"]
        constraints = [models.UniqueConstraint(fields=["request", "by"], name="authz_one_vote_each")]

    def __str__(self) -> str:
        return str(self.id)
