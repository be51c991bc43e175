"""Every request of a person is known by where it came from and by its correlation id, as machine requests are."""

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase

from authz import audit
from authz.addresses import client_address
from authz.endpoints.machine import request_id


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    def within(request: HttpRequest) -> HttpResponseBase:
        # PostgreSQL keeps no NUL, so nothing can be found by one: an answer here is better than an error there.
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("NUL in the query")
        with audit.origin(client_address(request.META), request_id(request.META)):
            return get_response(request)

    return within
