"""Which clients the token endpoint tells that a request waits for an approval."""

from django.db import models


class PendingAnswer(models.TextChoices):
    """`authorization_pending`: for every client, or for one that sent `completion_mode=deferred` alone."""

    ALWAYS = "always", "To every agent"
    ON_REQUEST = "on_request", "Only to agents that ask for it"
