"""Notifications: the outbox of mails and webhooks, and the webhook endpoints."""

import uuid

from django.conf import settings
from django.db import models


class WebhookEndpoint(models.Model):
    """An endpoint for signed webhooks (Standard Webhooks). `secret` is ciphertext, bound to the row's id (invariant
    9).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    url = models.CharField("URL", max_length=2048)
    events = models.JSONField(default=list, help_text="The kinds that it is told of; “*” is all of them.")
    enabled = models.BooleanField(default=True)
    secret = models.BinaryField(editable=False)
    created = models.DateTimeField(auto_now_add=True)
    delivered = models.DateTimeField(null=True, editable=False, help_text="When something last arrived.")
    failing_since = models.DateTimeField(null=True, editable=False)
    failure = models.CharField(max_length=200, blank=True, default="", editable=False)

    class Meta:
        verbose_name = "webhook"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Notification(models.Model):
    """One message to one person by mail, or to one endpoint by webhook: written in its event's transaction, sent later.

    `message` is the same for all recipients of one event; `about` names its subject matter, such as an access request's
    id. `due` is the time of the next try; empty, it was `delivered` or given up.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    message = models.UUIDField()
    kind = models.CharField(max_length=64)
    about = models.CharField(max_length=64, blank=True, default="")
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE)
    endpoint = models.ForeignKey(WebhookEndpoint, null=True, on_delete=models.CASCADE)
    subject = models.CharField(max_length=200)
    body = models.TextField(blank=True, default="")
    data = models.JSONField(default=dict)
    sealed = models.BinaryField(null=True, editable=False, help_text="A link that only the mail has, encrypted.")
    created = models.DateTimeField()
    due = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    delivered = models.DateTimeField(null=True)
    failure = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ["-created"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(recipient=None) ^ models.Q(endpoint=None), name="authz_notification_to_one"
            )
        ]
        indexes = [
            models.Index(fields=["due"], name="authz_notification_due", condition=~models.Q(due=None)),
            models.Index(fields=["about"], name="authz_notification_about"),
            models.Index(fields=["created"], name="authz_notification_created"),
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def state(self) -> str:
        """`sent`, `waiting` or `failed`."""
        if self.delivered is not None:
            return "sent"
        return "waiting" if self.due is not None else "failed"
