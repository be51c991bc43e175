"""Token requests that are answered later (draft-ietf-oauth-deferred-token-response)."""

import uuid

from django.conf import settings
from django.db import models


class Deferral(models.Model):
    """One token request that waits for an approval, with the deferral code by which its client asks again.

    `code_digest` finds it by the code, `request_digest` by a repetition of the request. `sealed` is the code and the
    request's parameters, encrypted. `polled` is the time of the client's last poll.
    """

    class Outcome(models.TextChoices):
        WAITING = "", "Waiting"
        REDEEMED = "redeemed", "Redeemed"
        DENIED = "denied", "Denied"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE)
    access_request = models.ForeignKey("authz.AccessRequest", on_delete=models.CASCADE)
    code_digest = models.CharField(max_length=64, unique=True, editable=False)
    request_digest = models.CharField(max_length=64, editable=False)
    sealed = models.BinaryField(help_text="Encrypted.")
    arrived = models.DateTimeField(help_text="When the request came; what it presented is judged as of then.")
    expires = models.DateTimeField(db_index=True)
    polled = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, blank=True, default=Outcome.WAITING)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["client", "request_digest"],
                condition=models.Q(outcome=""),
                name="authz_one_deferral_for_a_request",
            )
        ]

    def __str__(self) -> str:
        return str(self.id)
