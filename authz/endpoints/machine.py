"""What every machine endpoint has in common: methods, CORS, the snapshot, JSON refusals, and never a 500 in HTML."""

import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import wraps
from typing import Any

from django.db import Error as DatabaseFailure
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.views.decorators.csrf import csrf_exempt

from authz import audit, metrics, snapshot, tracing
from authz.addresses import client_address
from authz.protocol.errors import OAuthError, Reason
from authz.protocol.params import MAXIMUM_BODY, Params, parse_form
from authz.protocol.trace_context import parse as parse_traceparent
from authz.refusals import record_unauthenticated

log = logging.getLogger(__name__)

View = Callable[[HttpRequest], HttpResponse]

# When a request arrived, in its WSGI environment; by the monotonic clock, before it waited for its turn.
BEGAN = "gatehouse.began"
REQUEST_ID = "X-Request-Id"
_KNOWN_ID = "gatehouse.request_id"

# Machine endpoints take no cookies, so any origin may call them (interop 15); `/authorize` never says so.
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "WWW-Authenticate, Retry-After, X-Request-Id",
}
_PREFLIGHT = {
    "Access-Control-Allow-Headers": "authorization, content-type, dpop, mcp-protocol-version",
    "Access-Control-Max-Age": "3600",
}
# > The authorization server MUST include the HTTP "Cache-Control" response header field with a value of "no-store" in
# > any response containing tokens, credentials, or other sensitive information (RFC 6749 §5.1)
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_HARDENING = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


_json = json.JSONEncoder(separators=(",", ":")).encode


def machine_endpoint(
    *methods: str, refused: StrEnum | None = None, cors: bool = True, name: str = ""
) -> Callable[[View], View]:
    """Make a view a machine endpoint. `refused` is the audit event of a refusal; None where there is none to record.

    `name` is what it is counted and limited as, if not by the view's own.
    """

    def decorate(view: View) -> View:
        counted = name or view.__name__

        @csrf_exempt
        @wraps(view)
        def endpoint(request: HttpRequest) -> HttpResponse:
            began = request.META.get(BEGAN) or time.perf_counter()
            trace_id = request_id(request.META)
            with (
                audit.origin(client_address(request.META), trace_id, counted),
                tracing.request(counted, request.META.get("HTTP_TRACEPARENT")) as span,
            ):
                response = _answer(view, request, methods, refused)
                tracing.answered(span, response.status_code)
            response[REQUEST_ID] = trace_id
            if cors:
                for header, value in _CORS.items():
                    response[header] = value
            metrics.answered(counted, response.status_code, time.perf_counter() - began)
            return response

        endpoint.is_machine_endpoint = True  # type: ignore[attr-defined]  # it counts for itself
        return endpoint

    return decorate


def _answer(view: View, request: HttpRequest, methods: tuple[str, ...], refused: StrEnum | None) -> HttpResponse:
    allow = ", ".join((*methods, "OPTIONS"))
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers={"Allow": allow, "Access-Control-Allow-Methods": allow, **_PREFLIGHT})
    try:
        if request.method not in methods:
            raise OAuthError(Reason.METHOD_NOT_ALLOWED)
        snapshot.begin()
        return view(request)
    except OAuthError as error:
        response = _refusal(request, error, refused)
        if error.reason is Reason.METHOD_NOT_ALLOWED:
            response["Allow"] = allow
        return response
    except DatabaseFailure:
        # Nothing was issued: what would have been recorded was rolled back with it (law 4).
        log.exception("the database did not answer")
        metrics.DATABASE_ERRORS.add(audit.current_origin().endpoint)
        return json_response(OAuthError(Reason.UNAVAILABLE).body(), status=503, headers={"Retry-After": "5"})
    except Exception:
        log.exception("unexpected error at %s", request.path)
        return json_response(
            {"error": "server_error", "error_description": "The authorization server met an unexpected condition."},
            status=500,
        )


def _refusal(request: HttpRequest, error: OAuthError, refused: StrEnum | None) -> HttpResponse:
    if refused is not None:
        error = record_unauthenticated(
            refused, error, client_id=error.client_id or getattr(request, "claimed_client_id", "")
        )
    headers = {"Retry-After": str(error.retry_after or 5)} if error.status in {429, 503} else {}
    # > If the client attempted to authenticate via the "Authorization" request header field, the authorization server
    # > MUST respond with an HTTP 401 (Unauthorized) status code and include the "WWW-Authenticate" response header
    # > field matching the authentication scheme used by the client. (RFC 6749 §5.2)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="gatehouse", charset="UTF-8"'
    return json_response(error.body(), status=error.status, headers=headers)


def json_response(
    body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None, cache: str | None = None
) -> HttpResponse:
    """A JSON object; never to be stored, unless `cache` gives a Cache-Control."""
    response = HttpResponse(_json(body).encode(), content_type="application/json", status=status)
    caching = _NO_STORE if cache is None else {"Cache-Control": cache}
    for name, value in {**caching, **_HARDENING, **(headers or {})}.items():
        response[name] = value
    return response


def form(request: HttpRequest) -> Params:
    """The parameters of a request's form body."""
    # > The client MUST NOT use … the request URI query (RFC 6749 §2.3.1): what is in a URL is in logs. It is not read.
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MAXIMUM_BODY:
        raise OAuthError(Reason.BODY_TOO_LARGE)
    try:
        body = request.body
    except (OSError, RawPostDataException):
        raise OAuthError(Reason.MALFORMED_BODY) from None
    return parse_form(body, request.META.get("CONTENT_TYPE") or "")


def request_id(meta: dict[str, Any]) -> str:
    """The trace id of a W3C `traceparent` header, or one of our own: 32 hexadecimal digits, the same however often it
    is asked for.
    """
    known: str | None = meta.get(_KNOWN_ID)
    if known is None:
        header = meta.get("HTTP_TRACEPARENT")
        parent = parse_traceparent(header) if header else None
        known = meta[_KNOWN_ID] = parent.trace_id if parent else secrets.token_hex(16)
    return known


def now() -> float:
    """The clock, read once a request."""
    return time.time()
