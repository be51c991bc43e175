from django.db import models


class AuditEvent(models.Model):
    """One thing that happened. Append-only: database triggers refuse UPDATE and DELETE (authz/models/triggers.py)."""

    time = models.DateTimeField(db_index=True)
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
        indexes = [
            models.Index(fields=["event", "id"]),
            models.Index(fields=["client_id", "id"]),
            models.Index(fields=["subject", "id"]),
            models.Index(fields=["authorization", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.time:%Y-%m-%d %H:%M:%S} {self.event}"
