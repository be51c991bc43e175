"""A strict Content-Security-Policy for people's pages: everything from our own origin, no inline script or style."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from authz.protocol import redirect_uris

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def allowing_redirect(response: HttpResponse, redirect_uri: str) -> None:
    """For a page whose form may lead to a client's redirect URI."""
    # Browsers apply form-action to the redirect that answers a form, so the client's address has to be in it.
    shown = redirect_uris.display(redirect_uri)
    target = f"{shown.scheme}://{urlsplit(redirect_uri).netloc}" if shown.host else f"{shown.scheme}:"
    response["Content-Security-Policy"] = f"{POLICY}; form-action 'self' {target}"


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    def add(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        # A page that needs another policy has set it. `form-action` is the page's to say: browsers apply it to where a
        # form's answer redirects to, and sign-in and consent end at the client's redirect URI.
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return add
