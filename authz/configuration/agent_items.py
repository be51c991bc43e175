"""An agent as the API and the commands show it."""

from typing import Any

from authz.configuration.clients import as_item
from authz.configuration.sections import Section, all_sections, presented
from authz.models import Client


def clients_section() -> Section:
    return next(section for section in all_sections() if section.KEY == "clients")


def agent_as_item(client: Client) -> dict[str, Any]:
    """The client in the configuration's form, with its id in the API and its kind."""
    return {"id": client.pk, "kind": client.kind, **presented(clients_section(), as_item(client))}
