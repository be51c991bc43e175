"""A strict Content-Security-Policy for people's pages: everything from our own origin, no inline script or style."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    def add(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        # A page that needs another policy has set it. `form-action` is the page's to say: browsers apply it to where a
        # form's answer redirects to, and sign-in and consent end at the client's redirect URI.
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return add
