"""Each metadata document that was asked for, its versions and its logo."""

from datetime import UTC, datetime
from typing import Any

from django.db import models

from authz.models import Client
from authz.protocol.client_metadata import ClientMetadata
from cimd.client_identifier import ClientIdentifier


class Document(models.Model):
    """One URL that was asked for, and how fetching it goes. Times are seconds since the epoch, 0 for never.

    `current` is the version that the client's row was made from; `candidate` one that waits for an approval.
    """

    class Approval(models.TextChoices):
        NONE = "", "—"
        HOST = "host", "Its host is trusted"
        PERSON = "person", "Approved by a person"

    TELLS_OF_THE_PAST = True  # what authorizations name by its digest stays (authz/authorizations/removal.py)

    url = models.CharField(max_length=1024, unique=True)
    host = models.CharField(max_length=255, db_index=True)
    origin = models.CharField(max_length=261, db_index=True)
    client = models.OneToOneField(Client, null=True, on_delete=models.CASCADE, related_name="document")
    current = models.ForeignKey("DocumentVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    candidate = models.ForeignKey("DocumentVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    approval = models.CharField(max_length=8, choices=Approval.choices, blank=True, default=Approval.NONE)
    asked_for = models.BooleanField(
        default=False, db_default=False, help_text="A person who is signed in has asked for this agent's approval."
    )
    headers = models.JSONField(default=dict)
    fetched = models.FloatField(default=0)
    fresh_until = models.FloatField(default=0)
    serves_until = models.FloatField(default=0)
    lease = models.CharField(max_length=32, blank=True, default="")
    lease_until = models.FloatField(default=0, db_index=True)
    failures = models.PositiveIntegerField(default=0)
    failed = models.FloatField(default=0)
    failure = models.CharField(max_length=64, blank=True, default="")
    failure_status = models.PositiveIntegerField(null=True)
    failure_checks = models.JSONField(default=list)
    retry_at = models.FloatField(default=0)

    class Meta:
        verbose_name = "metadata document"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.url

    @property
    def holds(self) -> bool:
        """Whether a client follows from it, so that it can serve."""
        return self.client_id is not None

    @property
    def identifier(self) -> ClientIdentifier:
        return ClientIdentifier(self.url, self.host, self.origin)

    @property
    def fetched_at(self) -> datetime | None:
        return datetime.fromtimestamp(self.fetched, UTC) if self.fetched else None


class DocumentVersion(models.Model):
    """One distinct document: its bytes, where they came from, and what the server made of them."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="versions")
    digest = models.CharField(max_length=64)
    body = models.BinaryField()
    headers = models.JSONField(default=dict)
    address = models.CharField(max_length=45)
    fetched = models.DateTimeField()
    metadata = models.JSONField()
    checks = models.JSONField(default=list)
    changes = models.JSONField(default=list, help_text="The classes in which it differs from the version before.")

    class Meta:
        verbose_name = "version"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["document", "digest"], name="cimd_one_version")]

    def __str__(self) -> str:
        return f"{self.digest[:12]} of {self.fetched:%Y-%m-%d %H:%M} UTC"

    def as_metadata(self) -> ClientMetadata:
        """What was kept of it when it was last judged."""
        members: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in self.metadata.items()
        }
        return ClientMetadata(**members)


class Logo(models.Model):
    """A client's logo, re-encoded, served from our own origin under its digest."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="logo")
    url = models.CharField(max_length=1024)
    digest = models.CharField(max_length=64, db_index=True)
    png = models.BinaryField()
    fetched = models.DateTimeField()

    def __str__(self) -> str:
        return self.digest[:12]
