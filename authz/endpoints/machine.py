"""What every machine endpoint has in common: methods, CORS, the snapshot, JSON refusals, and never a 500 in HTML."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Any, Protocol, cast

from django.db import Error as DatabaseFailure
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.views.decorators.csrf import csrf_exempt

from authz import audit, dpop
from authz.database import concurrency, configuration_cache, greenlets, raw_sql
from authz.database.locks import leave_if_locked
from authz.database.raw_sql import Statement
from authz.endpoints import reference
from authz.endpoints.from_memory import YOUNG_SECONDS, Memory, refreshed_by
from authz.limits.addresses import client_address
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.protocol import compact_json, strict_json
from authz.protocol.errors import OAuthError, Reason
from authz.protocol.numbers import number
from authz.protocol.params import MAXIMUM_BODY, Params, parse_form
from authz.protocol.timed_ids import new_id
from authz.protocol.trace_context import parse as parse_traceparent
from authz.telemetry import metrics, tracing

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Answer:
    """What a machine endpoint answers. Django's response can do much more, and that costs as much as a database's
    statement; those who come by Django's way get one (`machine_endpoint`).
    """

    status_code: int
    headers: dict[str, str]
    content: bytes

    def __setitem__(self, header: str, value: str) -> None:
        self.headers[header] = value

    def for_django(self) -> HttpResponse:
        response = HttpResponse(self.content, status=self.status_code, headers=self.headers)
        if not self.content and "Content-Type" not in self.headers:
            # Django would call nothing HTML, and a strict client refuses that.
            del response["Content-Type"]
        return response


class MachineRequest:
    """A request to a machine endpoint, by the short way (authz/serving/wsgi.py): of Django's request what such views
    read."""

    __slots__ = ("META", "claimed_client_id")

    def __init__(self, environ: dict[str, Any]) -> None:
        self.META = environ
        self.claimed_client_id = ""

    @property
    def method(self) -> str:
        method: str = self.META["REQUEST_METHOD"]
        return method

    @property
    def path(self) -> str:
        path: str = self.META["PATH_INFO"]
        return path

    @property
    def body(self) -> bytes:
        body: bytes = self.META["wsgi.input"].read(int(self.META.get("CONTENT_LENGTH") or 0))
        return body


# Django's request or the one of the event loop: a view uses only what the two have in common.
Request = HttpRequest | MachineRequest
Response = HttpResponse | Answer
View = Callable[[Any], Response]
Refusal = Callable[[Any, OAuthError], Answer]


class Endpoint(Protocol):
    """A machine endpoint: a view for Django, and `answer` for the short way."""

    answer: View

    def __call__(self, request: HttpRequest) -> HttpResponse: ...


# When a request arrived, in its WSGI environment; by the monotonic clock, before it waited for its turn.
BEGAN = "gatehouse.began"
REQUEST_ID = "X-Request-Id"
_THEIR_ID = "HTTP_X_REQUEST_ID"
_KNOWN_ID = "gatehouse.request_id"
_FORM, _JSON_BODY = "gatehouse.form", "gatehouse.json"

# Machine endpoints take no cookies, so any origin may call them (interop 15); `/authorize` never says so.
_CORS = {
    "Access-Control-Allow-Origin": "*",
    # > the server […] needs to expose […] DPoP-Nonce and WWW-Authenticate […] (RFC 9449 §8)
    "Access-Control-Expose-Headers": "WWW-Authenticate, DPoP-Nonce, Retry-After, X-Request-Id",
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


_json = compact_json.writer()


def machine_endpoint(
    *methods: str,
    refused: StrEnum | None = None,
    cors: bool = True,
    name: str = "",
    is_remembered: bool = False,
    reads: Callable[[Request], Sequence[Statement]] | None = None,
    echoes_id: bool = False,
    answers_options: bool = True,
    refusal: Refusal | None = None,
) -> Callable[[View], Endpoint]:
    """Make a view a machine endpoint. `refused` is the audit event of a refusal; None where there is none to record.

    `reads` gives the statements that a request reads first: they go to the database together with the first one.
    `name` is what it is counted and limited as, if not by the view's own. `is_remembered` says that its answer is the
    same for every client, and may be given from memory while the database does not answer.
    `echoes_id`: a request's own X-Request-Id comes back in place of ours. `answers_options`: OPTIONS gets 204, which is
    no answer where 2xx is a decision. `refusal` answers a refusal in a form of its own.
    """

    def decorate(view: View) -> Endpoint:
        counted = name or view.__name__
        manner = _Manner(methods, refused, reads, answers_options, refusal)
        if is_remembered:
            view = _remembered(view)

        def answer(request: Request) -> Response:
            began = request.META.get(BEGAN) or time.perf_counter()
            trace_id = request_id(request.META)
            with (
                audit.origin(client_address(request.META), trace_id, counted),
                tracing.request(counted, request.META.get("HTTP_TRACEPARENT")) as span,
            ):
                response = _answer(view, request, manner)
                tracing.answered(span, response.status_code)
            for header, value in dpop.next_nonce(request.META).items():
                response[header] = value
            response[REQUEST_ID] = (echoes_id and request.META.get(_THEIR_ID)) or trace_id
            if cors:
                for header, value in _CORS.items():
                    response[header] = value
            metrics.answered(counted, response.status_code, time.perf_counter() - began)
            return response

        @csrf_exempt
        @wraps(view)
        def endpoint(request: HttpRequest) -> HttpResponse:
            response = answer(request)
            return response.for_django() if isinstance(response, Answer) else response

        endpoint.is_machine_endpoint = True  # type: ignore[attr-defined]  # it counts for itself
        endpoint.answer = answer  # type: ignore[attr-defined]
        return cast(Endpoint, endpoint)

    return decorate


def _copy(answer: Answer) -> Answer:
    return Answer(answer.status_code, dict(answer.headers), answer.content)


def _remembered(view: View) -> View:
    """The view, or what it last answered where the database does not answer."""
    memory: Memory[Answer] = Memory()

    def fresh(request: Request) -> Answer:
        configuration_cache.begin_together()
        answer: Answer = view(request)  # type: ignore[assignment]  # none of those is Django's
        memory.keep(_copy(answer))
        return answer

    def fresh_or_kept(request: Request) -> Answer:
        if greenlets.current() is not None and (young := memory.recall(YOUNG_SECONDS)) is not None:
            return _copy(young)
        try:
            return fresh(request)
        except (DatabaseFailure, concurrency.MustRunInThread):
            if (kept := memory.recall()) is None:
                raise
            return _copy(kept)

    fresh_or_kept.begins_itself = True  # type: ignore[attr-defined]
    refreshed_by(lambda: fresh(MachineRequest({})))
    return fresh_or_kept


@dataclass(frozen=True, slots=True)
class _Manner:
    """How an endpoint answers: `machine_endpoint`."""

    methods: tuple[str, ...]
    refused: StrEnum | None
    reads: Callable[[Request], Sequence[Statement]] | None
    answers_options: bool
    refusal: Refusal | None


def _answer(view: View, request: Request, manner: _Manner) -> Response:
    """The response of a view: preflight, wrong method, limits, the answer, or the refusal with its audit record."""
    allow = ", ".join((*manner.methods, "OPTIONS") if manner.answers_options else manner.methods)
    if request.method == "OPTIONS" and manner.answers_options:
        return HttpResponse(status=204, headers={"Allow": allow, "Access-Control-Allow-Methods": allow, **_PREFLIGHT})
    try:
        if request.method not in manner.methods:
            raise OAuthError(Reason.METHOD_NOT_ALLOWED)
        if not getattr(view, "begins_itself", False):
            configuration_cache.begin(*_ahead(request, manner.reads))
        return view(request)
    except OAuthError as error:
        response = _refusal(request, error, manner)
        if error.reason is Reason.METHOD_NOT_ALLOWED:
            response["Allow"] = allow
        return response
    except DatabaseFailure as failure:
        leave_if_locked(failure)
        # Nothing was issued: what would have been recorded was rolled back with it (invariant 4).
        log.exception("the database did not answer")
        metrics.DATABASE_ERRORS.add(audit.current_origin().endpoint)
        return json_response(OAuthError(Reason.UNAVAILABLE).body(), status=503, headers={"Retry-After": "5"})
    except Exception:
        # Not the path: a gateway's check has the path of its client's request in it.
        log.exception("unexpected error at %s", audit.current_origin().endpoint)
        return json_response(
            {"error": "server_error", "error_description": "The authorization server met an unexpected condition."},
            status=500,
        )


def _ahead(request: Request, reads: Callable[[Request], Sequence[Statement]] | None) -> Sequence[Statement]:
    """What the view reads first, where that saves a round trip."""
    if reads is None or not raw_sql.reads_ahead():
        return ()
    try:
        return reads(request)
    except OAuthError:  # the view says so itself
        return ()


def _refusal(request: Request, error: OAuthError, manner: _Manner) -> Answer:
    refused = manner.refused
    if refused is not None:
        claimed = error.client_id or getattr(request, "claimed_client_id", "")
        try:
            error = record_unauthenticated(refused, error, client_id=claimed)
        except UnrecordedError as unrecorded:
            error = unrecorded
    if manner.refusal is not None:
        return manner.refusal(request, error)
    headers = {**error.headers, **({"Retry-After": str(error.retry_after)} if error.retry_after else {})}
    # > If the client attempted to authenticate via the "Authorization" request header field, the authorization server
    # > MUST respond with an HTTP 401 (Unauthorized) status code and include the "WWW-Authenticate" response header
    # > field matching the authentication scheme used by the client. (RFC 6749 §5.2)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="gatehouse", charset="UTF-8"'
    body = error.body()
    # With the audit out of order nothing was recorded, and a right guess is answered like a wrong one.
    if refused is not None and error.code not in reference.ALIKE and not isinstance(error, UnrecordedError):
        body.setdefault("error_uri", reference.address())
    return json_response(body, status=error.status, headers=headers)


def json_response(
    body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None, cache: str | None = None
) -> Answer:
    """A JSON object; never to be stored, unless `cache` gives a Cache-Control."""
    caching = _NO_STORE if cache is None else {"Cache-Control": cache}
    written = {"Content-Type": "application/json", **caching, **_HARDENING, **(headers or {})}
    return Answer(status, written, _json(body).encode())


def form(request: Request) -> Params:
    """The parameters of a request's form body. Raises `OAuthError`."""
    if (known := request.META.get(_FORM)) is not None:
        return cast(Params, known)
    # > The client MUST NOT use … the request URI query (RFC 6749 §2.3.1): what is in a URL is in logs. It is not read.
    if number(request.META.get("CONTENT_LENGTH") or "0", most=MAXIMUM_BODY) is None:
        raise OAuthError(Reason.BODY_TOO_LARGE)
    try:
        body = request.body
    except (OSError, RawPostDataException):
        raise OAuthError(Reason.MALFORMED_BODY) from None
    params = request.META[_FORM] = parse_form(body, request.META.get("CONTENT_TYPE") or "")
    return params


def json_object(request: Request) -> dict[str, Any]:
    """The JSON object of a request's body, its numbers as int or Decimal. Raises `OAuthError`."""
    if (known := request.META.get(_JSON_BODY)) is not None:
        return cast(dict[str, Any], known)
    if number(request.META.get("CONTENT_LENGTH") or "0", most=MAXIMUM_BODY) is None:
        raise OAuthError(Reason.BODY_TOO_LARGE)
    if (request.META.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower() != "application/json":
        raise OAuthError(Reason.UNSUPPORTED_MEDIA_TYPE, told="The body must be application/json.")
    try:
        found = strict_json.read_exactly(request.body)
    except (OSError, RawPostDataException):
        raise OAuthError(Reason.MALFORMED_BODY) from None
    except strict_json.StrictJsonError as error:
        raise OAuthError(Reason.JSON_MALFORMED, detail=error.problem.value, told=error.sentence) from None
    request.META[_JSON_BODY] = found
    return found


def request_id(meta: dict[str, Any]) -> str:
    """The trace id of a W3C `traceparent` header, or one of our own: 32 hexadecimal digits, the same however often it
    is asked for.
    """
    known: str | None = meta.get(_KNOWN_ID)
    if known is None:
        header = meta.get("HTTP_TRACEPARENT")
        parent = parse_traceparent(header) if header else None
        known = meta[_KNOWN_ID] = parent.trace_id if parent else new_id(time.time())
    return known


def now() -> float:
    """The clock, read once a request."""
    return time.time()
