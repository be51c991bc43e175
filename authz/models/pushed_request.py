"""Authorization requests that clients push ahead (RFC 9126)."""

from django.conf import settings
from django.db import models


class PushedRequest(models.Model):
    """One authorization request, by the digest of its `request_uri`.

    `expires`: until when a browser may begin it; once `begun`, until when the person may finish it. `finished` is set
    by one UPDATE, in the transaction that issues its code.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    client = models.ForeignKey(settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE)
    params = models.JSONField(help_text="The parameters of the authorization request, without credentials.")
    expires = models.DateTimeField(db_index=True)
    begun = models.DateTimeField(null=True)
    finished = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.digest[:8]
