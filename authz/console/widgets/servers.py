"""The MCP servers that forms offer: our own, and those behind other authorization servers, which ID-JAGs lead to."""

from dataclasses import dataclass

from django import forms
from django.db.models import QuerySet

from authz import registry
from authz.console.widgets.names import shared_by_servers, told_apart
from authz.database import configuration_cache
from authz.models import ProtectedResource
from authz.policy import Server

# So many of ours, and so many of the others.
MAX_SERVERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One MCP server. `name` is "" where it has none. `behind` is the authorization server in front of it, "" for ours
    alone, and `scopes` are those that may be requested there.
    """

    identifier: str
    name: str = ""
    behind: str = ""
    scopes: tuple[str, ...] = ()


class OwnServerField(forms.ModelChoiceField):  # type: ignore[type-arg]  # it takes none at runtime
    """One of our own; those that are called alike with their identifiers beside the name."""

    def label_from_instance(self, obj: ProtectedResource) -> str:
        if not hasattr(self, "_shared"):
            self._shared = shared_by_servers()
        return f"{obj.name} ({obj.identifier})" if obj.name in self._shared else str(obj)


def offered(own: QuerySet[ProtectedResource]) -> list[Offered]:
    """Our own by name, then the others by identifier."""
    others = {row.identifier: row for row in elsewhere()}
    found = []
    for identifier, name in own.order_by("name").values_list("identifier", "name")[:MAX_SERVERS]:
        # One can be ours and stand behind others as well: rules know it by its identifier alone.
        other = others.pop(identifier, Offered(identifier=identifier))
        behind = other.behind and f"and {other.behind}"
        found.append(Offered(identifier=identifier, name=name, behind=behind, scopes=other.scopes))
    return [*found, *others.values()]


def choices() -> list[tuple[str, str]]:
    """A choice in words: `Wiki`, `https://mcp.chat.example/ behind Chat`."""
    rows = offered(ProtectedResource.objects.filter(is_active=True))
    names = told_apart((row.identifier, row.name) for row in rows)
    return [(row.identifier, f"{names.get(row.identifier, row.identifier)} {row.behind}".rstrip()) for row in rows]


def elsewhere(text: str = "") -> list[Offered]:
    """Those that stand behind other authorization servers and have the text in what they are called."""
    rows = _servers_elsewhere()
    called = _authorization_servers(rows)
    by_identifier: dict[str, list[Server]] = {}
    for row in rows:
        by_identifier.setdefault(row.identifier, []).append(row)
    found = [
        Offered(
            identifier=identifier,
            behind=f"behind {' and '.join(called[row.authorization_server] for row in alike)}",
            scopes=tuple(dict.fromkeys(name for row in alike for name, _ in row.scopes)),
        )
        for identifier, alike in sorted(by_identifier.items())
    ]
    return [row for row in found if text.lower() in f"{row.identifier} {row.behind}".lower()][:MAX_SERVERS]


def authorization_servers() -> dict[str, str]:
    """What the authorization servers that something stands behind are called: issuer → name, or the issuer again."""
    return _authorization_servers(_servers_elsewhere())


def _servers_elsewhere() -> list[Server]:
    # As requests for ID-JAGs see them: read when they have changed, not for each letter that is typed.
    configuration_cache.begin()
    return registry.servers_elsewhere(())


def _authorization_servers(rows: list[Server]) -> dict[str, str]:
    names = told_apart((row.authorization_server, row.behind) for row in rows)
    return {row.authorization_server: names.get(row.authorization_server, row.authorization_server) for row in rows}
