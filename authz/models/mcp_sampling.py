"""Questions to the models of clients of this server's own MCP server (`sampling/createMessage`)."""

import uuid

from django.conf import settings
from django.db import models


class McpSampling(models.Model):
    """One message to a client's model that a thread waits for: seconds long, on any node.

    answer   what the client posted, as it came; "" until then. It is removed by being read.
    """

    # The JSON-RPC id of the message: 122 random bits, so that no one answers in another's place.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE)
    session = models.CharField(max_length=128)
    expires = models.DateTimeField(db_index=True)
    answer = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return str(self.id)
