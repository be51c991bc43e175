"""What comes after a rule that allows something: an agent that is connected, or one that is yet to be added."""

from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from authz.models import Client, ProtectedResource, Rule

# Agents of a rule that are offered.
SHOWN = 3


def next_steps(request: HttpRequest, rule: Rule) -> list[tuple[str, str]]:
    """(words, address): the pages that connect the agents that the rule names, or add one for its MCP server."""
    if rule.effect == Rule.Effect.DENY or not request.user.has_perm("authz.add_client"):
        return []
    identifiers = rule.definition.get("resources", [])
    server = ProtectedResource.objects.filter(identifier__in=identifiers).order_by("name").first()
    query = f"?{urlencode({'server': server.identifier})}" if server else ""
    named = Client.objects.filter(client_id__in=rule.definition.get("clients", [])).exclude(
        registration_source=Client.RegistrationSource.CIMD
    )
    found = [
        (f"Connect {client.name or client.client_id}", reverse("admin:authz_client_connect", args=[client.pk]) + query)
        for client in named.order_by("client_id")[:SHOWN]
    ]
    if server is not None:
        page = reverse("admin:authz_protectedresource_change", args=[server.pk])
        found.append((f"See {server.name}", page))
    return found if named else [("Connect an agent", reverse("admin:add_agent") + query), *found]
