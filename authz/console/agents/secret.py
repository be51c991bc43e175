"""The page that makes an agent's client secret, and shows it once."""

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from authz.client_auth.credentials import make_secret
from authz.configuration import By
from authz.console.model_admin import person
from authz.console.site import console
from authz.models import Client
from authz.protocol.client_metadata import SECRET_METHODS


def may_make_secret(request: HttpRequest, client: Client) -> bool:
    return (
        client.token_endpoint_auth_method in SECRET_METHODS
        and client.kind != "cimd"
        and (request.user.is_superuser or client.owner_id == request.user.pk)
    )


def make(request: HttpRequest, rows: QuerySet[Client], pk: int) -> HttpResponse:
    client = get_object_or_404(rows, pk=pk)
    if not may_make_secret(request, client):
        raise PermissionDenied
    secret = ""
    if request.method == "POST":
        me = person(request)
        secret = make_secret(client, By(name=me.username, subject=str(me.subject)))
    context = {
        **console.each_context(request),
        "opts": Client._meta,
        "title": "The agent's new secret" if secret else "Make a new secret?",
        "client": client,
        "secret": secret,
    }
    return TemplateResponse(request, "console/agent_secret.html", context)
