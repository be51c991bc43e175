"""Every request of a person is known by where it came from and by its correlation id, as machine requests are."""

import time
from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from authz import audit
from authz.conf import conf
from authz.endpoints import errors
from authz.endpoints.machine import REQUEST_ID, request_id
from authz.limits.addresses import client_address
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.protocol.errors import BUSY_STATUS, RETRY_AFTER, OAuthError, Reason
from authz.telemetry import metrics, tracing

_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
# Counted by their first segment; all else is a page.
_SECTIONS = ("console/", "account/", "accounts/", "api/")


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    def within(request: HttpRequest) -> HttpResponseBase:
        # PostgreSQL keeps no NUL, so nothing can be found by one: an answer here is better than an error there.
        if "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.path_info:
            raise BadRequest("NUL in the address")
        began, trace_id = time.perf_counter(), request_id(request.META)
        with (
            audit.origin(client_address(request.META), trace_id, "page"),
            tracing.request("page", request.META.get("HTTP_TRACEPARENT")) as span,
        ):
            response = get_response(request)
            # > Servers send the "Retry-After" header field to indicate how long the user agent ought to wait (RFC 9110
            # > §10.2.3) Libraries' pages say it, too.
            if response.status_code in BUSY_STATUS:
                response.headers.setdefault("Retry-After", str(RETRY_AFTER))
            tracing.answered(span, response.status_code)
        match = request.resolver_match
        if not getattr(match and match.func, "is_machine_endpoint", False):  # that counts for itself
            response[REQUEST_ID] = trace_id
            metrics.answered(_page(request), response.status_code, time.perf_counter() - began)
        return response

    within.process_exception = _answer_anyway  # type: ignore[attr-defined]  # Django asks a middleware for it
    within.process_view = _refuse_nul  # type: ignore[attr-defined]
    return within


def _refuse_nul(
    request: HttpRequest, view: Callable[..., HttpResponseBase], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Answer 400 to a form with NUL: PostgreSQL keeps none.

    Forms of Django refuse it by themselves, and what reads a form by hand does not. Machine endpoints and the API have
    readers of their own.
    """
    if getattr(view, "is_machine_endpoint", False) or hasattr(view, "cls"):
        return
    if request.method == "POST" and request.content_type in _FORMS:
        for name, values in request.POST.lists():
            if "\0" in name or any("\0" in value for value in values):
                raise BadRequest("NUL in a form")


def _answer_anyway(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    try:
        if isinstance(exception, OAuthError) and exception.reason is Reason.RATE_LIMITED:
            record_unauthenticated(audit.Event.SIGN_IN_FAILED, exception)
            return too_many(request, exception)
    except UnrecordedError as unrecorded:
        exception = unrecorded
    if isinstance(exception, errors.GIVES_NOTHING) and hasattr(request, "session"):
        # A right password whose sign-in could not be recorded leaves nothing in the session, as a wrong one does.
        request.session.modified = False
    return errors.unavailable() if isinstance(exception, UnrecordedError) else None


def too_many(request: HttpRequest, error: OAuthError) -> HttpResponse:
    """The page that asks a person to wait (429)."""
    context = {"seconds": error.retry_after, "correlation_id": audit.current_origin().request_id}
    response = render(request, "429.html", context, status=429)
    response["Retry-After"] = str(error.retry_after)
    return response


def _page(request: HttpRequest) -> str:
    """What kind of page it was: few enough to count by."""
    match = request.resolver_match
    if match is None:
        # Stopped before it was routed: at the door (authz/endpoints/authorize_precheck.py), or it leads nowhere.
        return "authorize" if request.path_info == f"{conf.issuer_path}/authorize" else "unknown"
    if match.url_name in {"authorize", "account_login"}:
        return "login" if match.url_name == "account_login" else "authorize"
    return match.route.partition("/")[0] if match.route.startswith(_SECTIONS) else "page"
