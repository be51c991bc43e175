"""What the ids of a page stand for, in the words that people know: one query a kind, however many rows there are."""

from collections.abc import Iterable
from uuid import UUID

from authz.models import Client, ProtectedResource, User


def of_agents(client_ids: Iterable[str]) -> dict[str, str]:
    """client_id → name. Whoever is unknown, or has no name, is not in it."""
    rows = Client.objects.filter(client_id__in={*client_ids} - {""}).exclude(name="")
    return dict(rows.values_list("client_id", "name"))


def of_servers(identifiers: Iterable[str]) -> dict[str, str]:
    """An MCP server's identifier → name."""
    return dict(
        ProtectedResource.objects.filter(identifier__in={*identifiers} - {""}).values_list("identifier", "name")
    )


def of_people(subjects: Iterable[str]) -> dict[str, str]:
    """subject → user name."""
    known = {found for subject in subjects if (found := _uuid(subject))}
    rows = User.objects.filter(subject__in=known).values_list("subject", "username")
    return {str(subject): username for subject, username in rows}


def _uuid(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        return None
