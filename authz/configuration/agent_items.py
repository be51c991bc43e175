"""An agent as the API and the commands show it."""

from typing import Any

from authz.approvals import succession
from authz.configuration.clients import as_item
from authz.configuration.sections import Section, all_sections, presented
from authz.models import Client


def clients_section() -> Section:
    return next(section for section in all_sections() if section.KEY == "clients")


def agent_as_item(client: Client) -> dict[str, Any]:
    """The client in the configuration's form, with its id in the API, its kind, and, if its owner has left, when that
    was seen and when it is suspended."""
    ends = succession.suspended_from(client)
    return {
        "id": client.pk,
        "kind": client.kind,
        **presented(clients_section(), as_item(client)),
        "owner_left": client.owner_left.isoformat() if client.owner_left else None,
        "suspended_from": ends.isoformat() if ends else None,
    }
