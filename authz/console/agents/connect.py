"""The page that an agent's author needs: its identifiers, its first token, and what is still missing."""

from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from authz.approvals.agent_lifecycle import is_ones_own
from authz.conf import conf
from authz.console.agents.reach import FOR_ITSELF, reach
from authz.console.model_admin import person
from authz.console.site import console
from authz.console.widgets import agent_snippets
from authz.models import Client, ProtectedResource, Scope
from authz.sign_in.roles import APPROVE_AGENTS

Status = Client.Status


def address(client: Client, server: ProtectedResource | None) -> str:
    query = f"?{urlencode({'server': server.identifier})}" if server else ""
    return reverse("admin:authz_client_connect", args=[client.pk]) + query


def view(request: HttpRequest, rows: QuerySet[Client], pk: int) -> HttpResponse:
    client = get_object_or_404(rows, pk=pk)
    named = request.GET.get("server", "")
    return page(request, client, ProtectedResource.objects.filter(identifier=named).first() if named else None)


def page(request: HttpRequest, client: Client, server: ProtectedResource | None, secret: str = "") -> HttpResponse:
    """`secret` is shown: the caller has just made it."""
    rules = reach(client) if request.user.has_perm("authz.view_rule") else None
    context = {
        **console.each_context(request),
        "opts": Client._meta,
        "title": f"Connect {client.name or client.client_id}"[:120],
        "client": client,
        "server": server,
        "secret": secret,
        "issuer": conf.issuer,
        "snippets": agent_snippets.connect(_values(client, server, secret)),
        "approve_url": _approve_url(request, client),
        "reach": rules,
        "lets_in": any(effect != "deny" for effect, _ in rules or ()),
        "rule_url": rule_url(client, server) if request.user.has_perm("authz.add_rule") else "",
    }
    return TemplateResponse(request, "console/agent_connect.html", context)


def _values(client: Client, server: ProtectedResource | None, secret: str) -> agent_snippets.Agent:
    uris = client.redirect_uri_list
    return agent_snippets.Agent(
        issuer=conf.issuer,
        authorization_endpoint=conf.endpoint("authorize"),
        token_endpoint=conf.endpoint("token"),
        client_id=client.client_id,
        method=client.token_endpoint_auth_method,
        grants=client.grant_types,
        redirect_uri=uris[0] if uris else "",
        server=server.identifier if server else "",
        secret=secret,
    )


def _approve_url(request: HttpRequest, client: Client) -> str:
    """The page that approves it; "" for people who may not."""
    may = request.user.has_perm(APPROVE_AGENTS) and not is_ones_own(client, Status.APPROVED, person(request))
    if client.status != Status.PENDING or not may:
        return ""
    return reverse("admin:authz_client_switch", args=[client.pk, Status.APPROVED])


def rule_url(client: Client, server: ProtectedResource | None) -> str:
    """The form of a new rule that lets an agent in: filled in, to be looked at and saved.

    Scopes of high sensitivity are left to the person who writes the rule.
    """
    is_for_itself = bool(FOR_ITSELF.intersection(client.grant_types))
    name = f"{client.name or client.client_id} uses {server.name if server else 'an MCP server'}"
    fields: dict[str, object] = {
        "name": name[:100],
        "effect": "allow",
        "clients": client.client_id,
        "grant_types": client.grant_types,
        "acts_for": "machine" if is_for_itself else "people",
    }
    if server is not None:
        scopes = server.scopes.exclude(sensitivity=Scope.Sensitivity.HIGH).order_by("name")
        fields |= {"resources": [server.identifier], "scopes": list(scopes.values_list("name", flat=True))}
    return f"{reverse('admin:authz_rule_add')}?{urlencode(fields, doseq=True)}"
