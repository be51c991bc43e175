"""The landing page: what this server is, and where its doors are."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from authz.conf import conf


def home(request: HttpRequest) -> HttpResponse:
    address = f"{conf.origin}/.well-known/oauth-authorization-server{conf.issuer_path}"
    return render(request, "home.html", {"issuer": conf.issuer, "metadata_url": address})
