"""Connecting an app: the known metadata documents, the trust that each needs, and the steps for its people."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from authz import audit
from authz.console.agents import elsewhere
from authz.console.agents.elsewhere import Way
from authz.console.model_admin import record
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets.display import when
from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from authz.models import Authorization, ProtectedResource
from authz.sign_in.roles import CONFIGURE
from cimd import configuration, gallery, policy, trust
from cimd.gallery import App, Server
from cimd.models import Document, Policy
from cimd.trust import TrustStatus

SEE = "cimd.view_document"
PLACE = Place("Connect", "Agents", "agent", tab="Connect an app", order=1)


@console.page("cimd/apps/", "connect_app", place=PLACE, permission=SEE)
def show(request: HttpRequest) -> HttpResponse:
    """`?server=` is the MCP server whose address stands in the steps; the default one if none is named."""
    if not request.user.has_perm(SEE):
        raise PermissionDenied
    configuration_cache.begin()
    servers = list(ProtectedResource.objects.filter(is_active=True).order_by("-is_default", "name")[:200])
    wanted = request.GET.get("server", "")
    server = next((one for one in servers if one.identifier == wanted), servers[0] if servers else None)
    context = {
        **console.each_context(request),
        "title": "Connect an app",
        "cards": [_card(app, server) for app in gallery.APPS],
        "servers": servers,
        "server": server,
        "may_trust": request.user.has_perm(CONFIGURE),
    }
    return TemplateResponse(request, "console/apps.html", context)


@console.page("cimd/apps/<slug:app>/trust/", "connect_app_trust")
@require_POST
def trust_host(request: HttpRequest, app: str) -> HttpResponse:
    """Trust the app's host: by the serializer of the configuration file, and recorded like a change of its form."""
    if not request.user.has_perm(CONFIGURE):
        raise PermissionDenied
    found = gallery.named(app)
    if found is None or not found.host:
        raise Http404
    configuration_cache.begin()
    if _status(found) is TrustStatus.WAITS:
        with unit_of_work():
            _trust(request, found.host)
        messages.success(request, f"Trusted: {found.host}. Agents whose document is there need no approval.")
    elif _status(found) is TrustStatus.BLOCKED:
        messages.error(request, f"The host {found.host} is blocked. Remove it from the blocked hosts first.")
    return HttpResponseRedirect(_back(request))


def _trust(request: HttpRequest, host: str) -> None:
    # Locked, so that two who trust two hosts at the same moment trust both.
    row = Policy.objects.select_for_update().first() or Policy()
    item = configuration.as_item(row)
    del item["registration_tokens"]
    item["trusted_hosts"] = [*dict.fromkeys([*item["trusted_hosts"], host])]
    judged = configuration.PolicySerializer(data=item)
    judged.is_valid(raise_exception=True)
    configuration.write(judged.validated_data)
    stored = Policy.objects.get()
    record(request, audit.Event.CONFIGURATION_CHANGED, stored, changed=["trusted_hosts"], host=host)


def _status(app: App) -> TrustStatus:
    return trust.trust_status(app.host, policy.cached().trust)


def _card(app: App, server: ProtectedResource | None) -> dict[str, Any]:
    documents = Document.objects.filter(url=app.url) if app.url else Document.objects.filter(url__startswith=app.prefix)
    document = documents.order_by("pk").first() if app.url or app.prefix else None
    beside = [one.name for one in gallery.APPS if one.host == app.host and one.key != app.key and app.host]
    address = Server(server.identifier, gallery.short_name(server.name)) if server else None
    return {
        "app": app,
        "status": _status(app).value if app.host else "",
        "beside": ", ".join(beside),
        "document": document,
        "first_token": _first_token(document),
        "steps": app.steps(address) if address else (),
    }


def _first_token(document: Document | None) -> SafeString | str:
    if document is None or document.client_id is None:
        return ""
    first = Authorization.objects.filter(client=document.client_id).order_by("created").first()
    return when(first.created) if first else ""


def _back(request: HttpRequest) -> str:
    server = request.POST.get("server", "")[:1024]
    return reverse("admin:connect_app") + (f"?{urlencode({'server': server})}" if server else "")


elsewhere.offer(
    Way(
        title="It has a metadata document",
        text="An app such as Claude, VS Code or ChatGPT, or any agent whose client_id is an https URL: its host vouches"
        " for it, and you trust the host or approve the agent.",
        url_name="connect_app",
        order=1,
    )
)
