"""The first half of an authorization request: the client and its redirect URI, for which no sign-in is needed.

Rejects unknown clients before a session is created, so a flood of invalid requests stays cheap (attack 10). The page of
a rejected request is rendered once and kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers
from django.utils.encoding import iri_to_uri

from authz import audit, clients
from authz.conf import conf
from authz.database import configuration_cache
from authz.endpoints.machine import now, request_id
from authz.endpoints.request_context import too_many
from authz.limits import rate_limits
from authz.limits.addresses import client_address
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.models import Client
from authz.protocol import authorization_request, packed_query
from authz.protocol.errors import OAuthError, Reason, RefusalReason, harmless
from authz.protocol.params import Params, parse_form, parse_query, required
from authz.sign_in import form_binding
from authz.tokens import pushed_requests

METHODS = ("GET", "POST")
LONGEST_WAIT = 60
_ARRIVAL = "gatehouse.arrival"
_ANEW = "gatehouse.arrives anew"
# Fields of our own forms. A POST with any of them is a person's answer, which is protected against forgery
# (authz/sign_in/form_binding.py and Django's token); one without is a request of a client, and decides nothing.
_ANSWERS = frozenset({form_binding.FIELD, "csrfmiddlewaretoken", "allow", "deny", "ask"})
_WHAT: dict[RefusalReason, str] = {
    Reason.CLIENT_UNKNOWN: "The application that sent you here is not known to this server.",
    Reason.REDIRECT_URI_UNREGISTERED: "The application asked to be answered at an address that it has not registered.",
    Reason.REQUEST_URI_UNKNOWN: "The request has expired. Go back to the application and begin again.",
    Reason.REQUEST_URI_USED: "The request was answered already. Go back to the application and begin again.",
    Reason.REQUEST_TOO_LONG: "The request of the application that sent you here is too long for this server.",
    Reason.DUPLICATE_PARAMETER: "The request says one thing twice, so it cannot be trusted.",
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A client that is known, what it asks for, and the address of its own that the answer may go to. `reference` is
    that of a request that it pushed ahead (authz/tokens/pushed_requests.py).
    """

    client: Client
    params: Params
    redirect_uri: str
    reference: str = ""


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    def within(request: HttpRequest) -> HttpResponseBase:
        if request.path_info == f"{conf.issuer_path}/authorize":
            if request.method not in METHODS:
                return HttpResponseNotAllowed(METHODS)
            with audit.origin(client_address(request.META), request_id(request.META), "authorize"):
                configuration_cache.begin()
                params: Params = {}
                try:
                    params = _read(request)
                    audit.concerns(resource=harmless(params.get("resource", "")))
                    request.META[_ARRIVAL] = _arrive(params)
                    # Before the person signs in, and not only where it would be lost.
                    here = address(request)
                    if _ANEW in request.META:
                        return HttpResponseRedirect(here, status=303)
                except OAuthError as error:
                    return _stopped(request, error, claimed=params.get("client_id", ""))
        return get_response(request)

    return within


def of(request: HttpRequest) -> Arrival:
    """The arrival of a request to the authorization endpoint."""
    arrived: Arrival = request.META[_ARRIVAL]
    return arrived


def address(request: HttpRequest) -> str:
    """The address of this request for links and forms that lead to it: short enough for the `next` of another one."""
    query = packed_query.packed(request.META.get("QUERY_STRING", "").encode("utf-8", "replace")).decode("utf-8")
    return f"{request.path}?{iri_to_uri(query)}"


def _read(request: HttpRequest) -> Params:
    """The parameters of the request; it is left as a GET of all of them, however it came."""
    query = packed_query.unpacked(request.META.get("QUERY_STRING", "").encode("utf-8", "replace"))
    # > Authorization Servers MUST support the use of the HTTP GET and POST methods […] at the Authorization Endpoint.
    # > […] If using the HTTP POST method, the request parameters are serialized using Form Serialization (OpenID
    # > Connect Core §3.1.2.1)
    if request.method == "POST" and not _ANSWERS & set(request.POST):
        query = b"&".join(part for part in (query, _posted(request)) if part)
        request.method = request.META["REQUEST_METHOD"] = "GET"
        # Browsers keep the session's cookie back from a form of another site, and send it with the GET that follows.
        if request.headers.get("Origin", conf.origin) != conf.origin:
            request.META[_ANEW] = True
    params = parse_query(query)
    request.META["QUERY_STRING"] = query.decode("utf-8", "replace")
    return params


def _posted(request: HttpRequest) -> bytes:
    """The form that a client sends, encoded as a query is."""
    if request.content_type == "multipart/form-data":
        return urlencode(list(request.POST.lists()), doseq=True).encode()
    if not request.body:
        return b""
    parse_form(request.body, request.content_type or "")
    return request.body


def _arrive(params: Params) -> Arrival:
    rate_limits.admit(required(params, "client_id"))
    client = clients.find(required(params, "client_id"))
    rate_limits.proven(client.client_id, is_confidential=False)
    reference = ""
    if pushed_requests.is_reference(params.get("request_uri")):
        found = pushed_requests.begin(params["request_uri"], client.client_id, now())
        # > The authorization server […] MUST only use the parameters in the Request Object, even if the same parameter
        # > is provided in the query parameter. (RFC 9101 §6.3, for RFC 9126 §4)
        params, reference = found.params, found.digest
    redirect_uri = authorization_request.redirect_uri(params, client.redirect_uri_list)
    return Arrival(client, params, redirect_uri, reference)


def _stopped(request: HttpRequest, error: OAuthError, *, claimed: str) -> HttpResponse:
    """A page and no redirect: the client that sent the person here isn't trusted with one (attack 28)."""
    try:
        error = record_unauthenticated(audit.Event.AUTHORIZATION_REFUSED, error, client_id=claimed)
    except UnrecordedError as unrecorded:
        error = unrecorded
    if error.reason is Reason.RATE_LIMITED:
        return too_many(request, error)
    page = _page(_WHAT.get(error.reason, error.sentence), error.retry_after)
    response = HttpResponse(
        page.replace(_REFERENCE, audit.current_origin().request_id), status=503 if error.status == 503 else 400
    )
    if error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    add_never_cache_headers(response)
    # It is in the audit, with its reason; Django would call a flood that is turned away a flood of errors.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


# Stands for the one thing that differs from request to request, 32 hexadecimal digits.
_REFERENCE = "the-reference-of-this-request"


@cache
def _page(what: str, retry_after: int) -> str:
    """One a sentence, and sentences are few."""
    context = {"what": what, "retry_after": retry_after, "correlation_id": _REFERENCE}
    # A page that calls itself again is for what is over in a moment.
    waits = 0 < retry_after <= LONGEST_WAIT
    return render_to_string("authorize/busy.html" if waits else "authorize/error.html", context)
