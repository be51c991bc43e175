"""Shared signals, sending: who receives them, their streams, and what waits to be sent."""

import uuid

from django.conf import settings
from django.db import models


class SignalReceiver(models.Model):
    """Who is told of ends of access, and about whose: people who were granted access at its resources, or whose
    ID-JAGs went to its authorization servers.
    """

    class Subject(models.TextChoices):
        ISS_SUB = "iss_sub", "Our issuer and the person's sub, as in our tokens"
        EMAIL = "email", "The person's address, if it is known to be theirs; otherwise issuer and sub"

    name = models.CharField(max_length=100, unique=True)
    enabled = models.BooleanField(default=True)
    client = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_index=True,
        help_text="The agent that manages its stream; empty: the stream is the one to push_url.",
    )
    resources = models.JSONField(
        default=list, blank=True, help_text="MCP servers of this server: those who were granted access there."
    )
    authorization_servers = models.JSONField(
        default=list, blank=True, help_text="Resource authorization servers: those whose ID-JAGs went there."
    )
    subject = models.CharField("how people are named", max_length=8, choices=Subject.choices, default=Subject.ISS_SUB)
    audience = models.CharField(
        max_length=512, blank=True, default="", help_text="The aud of its events; empty: its agent's client_id."
    )
    push_url = models.CharField(
        "push URL",
        max_length=2048,
        blank=True,
        default="",
        help_text="Where events are pushed to; empty: its agent makes the stream.",
    )
    push_authorization = models.BinaryField(editable=False, default=b"", help_text="Encrypted.")

    class Meta:
        ordering = ["name"]
        verbose_name = "receiver of signals"
        verbose_name_plural = "receivers of signals"

    def __str__(self) -> str:
        return self.name


class SignalStream(models.Model):
    """The one stream of a receiver (SSF 1.0 §8.1.1), and how its delivery goes.

    `changed_by` is who set the status: the receiver, an administrator, or (“server”) this server, because nothing
    arrived. `due` is when a push may be tried next; `claimed` until when a process has it.
    """

    class Method(models.TextChoices):
        PUSH = "urn:ietf:rfc:8935", "Push"
        POLL = "urn:ietf:rfc:8936", "Poll"

    class Status(models.TextChoices):
        ENABLED = "enabled", "Enabled"
        PAUSED = "paused", "Paused"
        DISABLED = "disabled", "Disabled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    receiver = models.OneToOneField(SignalReceiver, on_delete=models.CASCADE, related_name="stream")
    created = models.DateTimeField()
    method = models.CharField(max_length=32, choices=Method.choices)
    endpoint_url = models.CharField(max_length=2048, blank=True, default="")
    authorization = models.BinaryField(editable=False, default=b"", help_text="Encrypted.")
    events_requested = models.JSONField(null=True)
    description = models.CharField(max_length=255, blank=True, default="")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ENABLED)
    reason = models.CharField(max_length=255, blank=True, default="")
    changed_by = models.CharField(max_length=16, blank=True, default="")
    verified = models.DateTimeField(null=True, help_text="When a verification was last asked for.")
    due = models.DateTimeField(null=True)
    claimed = models.DateTimeField(null=True)
    claim = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    failure = models.CharField(max_length=255, blank=True, default="")
    arrived = models.DateTimeField(null=True, help_text="When an event last arrived.")
    polled = models.DateTimeField(null=True)
    sent = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    lost = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = "stream of signals"
        verbose_name_plural = "streams of signals"

    def __str__(self) -> str:
        return f"{self.receiver}"


class SignalEvent(models.Model):
    """An event that waits until its receiver has it. It was written in the transaction of what it tells.

    `digest` is of what it says and when: the same is told once. `jti` and `created` are the same with each attempt.
    """

    stream = models.ForeignKey(SignalStream, on_delete=models.CASCADE, related_name="waiting")
    jti = models.UUIDField(unique=True, default=uuid.uuid4)
    txn = models.UUIDField()
    event_type = models.CharField(max_length=128)
    subject = models.JSONField()
    claims = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    created = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        verbose_name = "event that waits"
        verbose_name_plural = "events that wait"
        constraints = [models.UniqueConstraint(fields=["stream", "digest"], name="xaa_signal_told_once")]
        indexes = [models.Index(fields=["stream", "id"], name="xaa_signal_in_order")]

    def __str__(self) -> str:
        return self.event_type.rpartition("/")[2]


class SignalExclusion(models.Model):
    """A subject that its receiver removed from its stream (SSF 1.0 §8.1.3.3)."""

    stream = models.ForeignKey(SignalStream, on_delete=models.CASCADE, related_name="exclusions")
    subject = models.JSONField()
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "digest"], name="xaa_signal_excluded_once")]

    def __str__(self) -> str:
        return f"{self.stream_id}"


class IdJagReceipt(models.Model):
    """That an ID-JAG about a person went to an authorization server that is told of ends.

    `authorization` is what the ID-JAG rested on here, if that was an authorization; `issuer` is otherwise the trusted
    issuer whose ID token it rested on.
    """

    server = models.CharField(max_length=512)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE, related_name="+")
    client_there = models.CharField(max_length=255)
    authorization = models.CharField(max_length=36, blank=True, default="")
    issuer = models.CharField(max_length=512, blank=True, default="")
    last = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["server", "user", "client", "client_there", "authorization", "issuer"], name="xaa_one_receipt"
            )
        ]
        indexes = [
            models.Index(fields=["authorization"], name="xaa_receipt_authorization"),
            models.Index(fields=["last"], name="xaa_receipt_last"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.server}"
