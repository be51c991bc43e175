"""Tasks of this server's own MCP server (the extension `io.modelcontextprotocol/tasks`)."""

import uuid

from django.conf import settings
from django.db import models


class McpTask(models.Model):
    """One access request as a task of who asked: an agent, for a person or (none) for itself.

    Its status is that of the access request, read at each poll, so that a decision on any node is seen at once.

    wants_reason   the client is asked for a justification while the access request has none.
    wants_page     the client is asked to show the person the access request's page.
    round          which question for a justification it is: no key is used twice.
    """

    # > Servers MUST generate them with sufficient entropy that a third party cannot enumerate or guess them (Tasks)
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE)
    access_request = models.ForeignKey("authz.AccessRequest", on_delete=models.CASCADE)
    created = models.DateTimeField()
    updated = models.DateTimeField()
    expires = models.DateTimeField(db_index=True)
    wants_reason = models.BooleanField(default=True)
    wants_page = models.BooleanField(default=True)
    round = models.PositiveSmallIntegerField(default=1)

    def __str__(self) -> str:
        return str(self.id)
