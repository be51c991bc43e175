"""Adding an agent by what it is: three or four fields, then everything that its author needs."""

from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache

from authz.client_auth.credentials import make_secret
from authz.configuration import By
from authz.console.agents import connect, kinds
from authz.console.agents.kinds import AddForm, Kind
from authz.console.model_admin import person
from authz.console.site import console
from authz.database.transactions import unit_of_work
from authz.models import Client
from authz.protocol.client_metadata import SECRET_METHODS

ADD = "authz.add_client"


@console.page("authz/client/new/", "add_agent")
def choose(request: HttpRequest) -> HttpResponse:
    """Asks what the agent is. Raises `PermissionDenied`."""
    if not request.user.has_perm(ADD):
        raise PermissionDenied
    choices = [
        {"title": kind.title, "text": kind.text, "url": _address(name, kind, _asked(request)["server"])}
        for name, kind in kinds.offered(person(request)).items()
    ]
    context = {**console.each_context(request), "title": "What is it?", "choices": choices}
    return TemplateResponse(request, "console/agent_new.html", context)


def _address(name: str, kind: Kind, server: str) -> str:
    if kind.url_name:
        return reverse(f"admin:{kind.url_name}")
    return reverse("admin:add_agent_as", args=[name]) + (f"?{urlencode({'server': server})}" if server else "")


@console.page("authz/client/new/<slug:what>/", "add_agent_as")
@never_cache
def add(request: HttpRequest, what: str) -> HttpResponse:
    """The short form of a kind. A saved one with a secret answers with the secret, the only time it is shown. Raises
    `PermissionDenied` or `Http404`.
    """
    if not request.user.has_perm(ADD):
        raise PermissionDenied
    kind = kinds.offered(person(request)).get(what)
    if kind is None or kind.form is None:
        raise Http404
    form = kind.form(request.POST or None, person=person(request), initial=_asked(request))
    if request.method == "POST" and form.is_valid():
        return _added(request, form)
    context = {**console.each_context(request), "title": kind.title, "kind": kind, "form": form}
    return TemplateResponse(request, "console/agent_new_form.html", context)


def _asked(request: HttpRequest) -> dict[str, Any]:
    """What the address fills in: the MCP server of the page that led here."""
    return {"server": request.GET.get("server", "")[:1024]}


def _added(request: HttpRequest, form: AddForm) -> HttpResponse:
    with unit_of_work():
        client = form.save()
        form.save_more(request, client)
        console.get_model_admin(Client).log_addition(request, client, [{"added": {}}])
    secret = _new_secret(request, client)
    server = form.cleaned_data["server"]
    if secret:
        return connect.page(request, client, server, secret)
    return HttpResponseRedirect(connect.address(client, server))


def _new_secret(request: HttpRequest, client: Client) -> str:
    if client.token_endpoint_auth_method not in SECRET_METHODS:
        return ""
    me = person(request)
    return make_secret(client, By(name=me.username, subject=str(me.subject)))
