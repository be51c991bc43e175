"""Nothing that is made for one person stays in a cache: on a shared computer, the next one would read it by “Back”."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

# A public document sets a header of its own (logos, key sets, metadata, status lists).
NO_STORE = "no-store"


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    def add(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        # > the "no-store" response directive indicates that a cache MUST NOT store any part of either the immediate
        # > request or the response (RFC 9111 §5.2.2.5)
        response.headers.setdefault("Cache-Control", NO_STORE)
        return response

    return add
