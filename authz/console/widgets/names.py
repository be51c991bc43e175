"""What the ids of a page stand for, in the words that people know: one query a kind, however many rows there are."""

from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db.models import Count

from authz.models import Client, ProtectedResource, User

# The names of so many MCP servers are read where all are wanted; others are shown by their identifiers.
MOST_SERVERS = 1_000


def of_agents(client_ids: Iterable[str]) -> dict[str, str]:
    """client_id → name, without agents that are unknown or have no name."""
    rows = Client.all_objects.filter(client_id__in={*client_ids} - {""}).exclude(name="")
    return dict(rows.values_list("client_id", "name"))


def of_servers(identifiers: Iterable[str]) -> dict[str, str]:
    """An MCP server's identifier → name, told apart from those of all servers there are."""
    wanted = {*identifiers} - {""}
    alike = ProtectedResource.all_objects.filter(identifier__in=wanted).values("name")
    known = told_apart(ProtectedResource.all_objects.filter(name__in=alike).values_list("identifier", "name"))
    return {identifier: known[identifier] for identifier in wanted & known.keys()}


def shared_by_servers() -> set[str]:
    """The names that more than one MCP server has."""
    often = ProtectedResource.objects.exclude(name="").order_by().values("name").annotate(n=Count("pk"))
    return set(often.filter(n__gt=1).values_list("name", flat=True))


def of_most_servers() -> dict[str, str]:
    """The same of as many as a page reads."""
    return told_apart(ProtectedResource.objects.values_list("identifier", "name")[:MOST_SERVERS])


def told_apart(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """identifier → name; `Ledger (https://…)` where it is not the only one of this name. None for who has no name."""
    names: Mapping[str, str] = dict(pairs)
    often = Counter(names.values())
    return {
        identifier: name if often[name] == 1 else f"{name} ({identifier})" for identifier, name in names.items() if name
    }


def of_people(subjects: Iterable[str]) -> dict[str, str]:
    """subject → user name."""
    known = {found for subject in subjects if (found := uuid_of(subject))}
    rows = User.all_objects.filter(subject__in=known).values_list("subject", "username")
    return {str(subject): username for subject, username in rows}


def uuid_of(value: str) -> UUID | None:
    """The UUID that a text is; None where it is none."""
    try:
        return UUID(value)
    except ValueError:
        return None
