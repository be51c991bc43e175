"""Who registered an agent, as the pages of a decision say it."""

from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.admin.options import get_content_type_for_model

from authz.models import Client


def registered_by(client: Client) -> str:
    """The user name of the person who added it in the console, or how else it came."""
    if client.kind == "cimd":
        return "its metadata document"
    if client.kind == "dynamic":
        return "itself (dynamic client registration)"
    added = LogEntry.objects.filter(
        content_type=get_content_type_for_model(client), object_id=str(client.pk), action_flag=ADDITION
    )
    name = added.values_list("user__username", flat=True).first()
    return name or "the configuration file, a command or the API"
