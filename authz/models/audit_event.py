from django.db import models

REFUSED = "token:access:refused"
FREQUENT = ["token:access:issued", "token:access:introspected", REFUSED]


class AuditEvent(models.Model):
    """One thing that happened. Append-only: database triggers refuse UPDATE and DELETE (authz/models/triggers.py)."""

    time = models.DateTimeField()
    event = models.CharField(max_length=64)
    reason = models.CharField(max_length=64, blank=True, default="")
    client_id = models.CharField(max_length=1024, blank=True, default="")
    subject = models.CharField(max_length=255, blank=True, default="")
    resource = models.CharField(max_length=1024, blank=True, default="")
    authorization = models.CharField(max_length=36, blank=True, default="")
    address = models.CharField(max_length=45, blank=True, default="")
    request_id = models.CharField(max_length=55, blank=True, default="")
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        # Each token pays for each index, so the indexes are partial. The time grows with the id, and the most frequent
        # events need no index of their own.
        indexes = [
            models.Index(fields=["client_id", "id"], name="authz_audit_client", condition=~models.Q(client_id="")),
            models.Index(fields=["subject", "id"], name="authz_audit_subject", condition=~models.Q(subject="")),
            models.Index(
                fields=["authorization", "id"], name="authz_audit_authorization", condition=~models.Q(authorization="")
            ),
            models.Index(fields=["reason", "id"], name="authz_audit_reason", condition=~models.Q(reason="")),
            # All refusals by time, with any reason: the latest refusals.
            models.Index(fields=["id"], name="authz_audit_refused", condition=~models.Q(reason="")),
            models.Index(fields=["event", "id"], name="authz_audit_event", condition=~models.Q(event__in=FREQUENT)),
        ]

    def __str__(self) -> str:
        return f"{self.time:%Y-%m-%d %H:%M:%S} UTC {self.event}"
