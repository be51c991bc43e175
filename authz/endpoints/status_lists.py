"""Status lists for resource servers, and the list of them (draft-ietf-oauth-status-list §8, §9)."""

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from authz.authorizations import status_lists
from authz.endpoints.machine import Answer, Request, Response, json_response, machine_endpoint, now
from authz.protocol.status_list import CONTENT_TYPE

# > a qvalue of 0 means "not acceptable" (RFC 9110 §12.4.2)
_ACCEPTS_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)

# A list never names a person or an agent, and the holder of a token may read its list: any origin, no authentication.


def serve(request: HttpRequest, number: int) -> HttpResponse:
    return machine_endpoint("GET", "HEAD")(lambda asked: _list(asked, number))(request)


def _list(request: HttpRequest, number: int) -> Response:
    # > If the Server does not support the additional query parameter, it SHOULD return a status code of 501 (§8.4)
    if "time" in request.GET:
        return json_response({"error": "not_implemented"}, status=501)
    found = status_lists.published(number, now())
    if found is None:
        return json_response({"error": "not_found"}, status=404)
    # > The HTTP response SHOULD use Content-Encoding (such as gzip) (§8.2)
    is_gzipped = _ACCEPTS_GZIP.search(request.META.get("HTTP_ACCEPT_ENCODING", "")) is not None
    etag = f'"{found.etag}-gzip"' if is_gzipped else f'"{found.etag}"'
    headers = {
        "Cache-Control": f"public, max-age={found.fresh_for}",
        "ETag": etag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if etag in [tag.strip().removeprefix("W/") for tag in request.META.get("HTTP_IF_NONE_MATCH", "").split(",")]:
        return HttpResponse(status=304, headers=headers)
    if is_gzipped:
        headers["Content-Encoding"] = "gzip"
    return HttpResponse(found.gzipped if is_gzipped else found.token, content_type=CONTENT_TYPE, headers=headers)


@machine_endpoint("GET", "HEAD")
def aggregation(request: Request) -> Answer:
    """All lists, for a resource server that fetches them before a token names one (§9.3)."""
    uris = [status_lists.uri(number) for number in status_lists.numbers()]
    return json_response({"status_lists": uris}, cache=f"public, max-age={status_lists.TTL}")


def metadata() -> dict[str, Any]:
    # > it is RECOMMENDED to use the status_list_aggregation_endpoint parameter within its metadata (§9.1)
    return {"status_list_aggregation_endpoint": status_lists.aggregation_uri()}


METADATA = metadata
urlpatterns = [
    path("status-lists", aggregation, name="status_list_aggregation"),
    path("status-lists/<int:number>", serve, name="status_list"),
]
