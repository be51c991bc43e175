"""`{issuer}/ssf/…`: HTTP in, HTTP out. The stream management API (SSF 1.0 §8.1), and polling (RFC 8936).

These are no short-way endpoints (authz/serving/wsgi.py): they take the threads of pages, and no time from tokens.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.http import HttpRequest
from django.urls import path

from authz import dpop
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.endpoints.machine import Answer, Endpoint, Request, View, json_object, json_response, machine_endpoint
from authz.protocol.errors import OAuthError
from xaa.models import SignalStream
from xaa.signals.sending import excluded, metadata, polling, statuses, streams
from xaa.signals.sending.audit_events import SendingEvent
from xaa.signals.sending.caller import Caller, authenticated
from xaa.signals.sending.reasons import SendingReason

documents_at = metadata.documents_at
_STATUS: Mapping[object, int] = {
    SendingReason.SCOPE_MISSING: 403,
    SendingReason.RECEIVER_UNKNOWN: 403,
    SendingReason.STREAM_FIXED: 403,
    SendingReason.STREAM_UNKNOWN: 404,
    SendingReason.STREAM_EXISTS: 409,
    SendingReason.TOO_SOON: 429,
}


def _refusal(request: Request, error: OAuthError) -> Answer:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    where = f"{conf.origin}/{metadata.resource_metadata_path()}"
    if refused := dpop.refusal_headers(error, resource_metadata=where):
        return json_response(error.body(), status=401, headers=refused)
    status = 401 if error.code == "invalid_token" else _STATUS.get(error.reason, error.status)
    if status == 401 or error.reason is SendingReason.SCOPE_MISSING:
        # > If the request lacks any authentication information […], the resource server SHOULD NOT include an error
        # > code (RFC 6750 §3.1)
        told = "" if error.reason is SendingReason.UNAUTHENTICATED else f', error="{error.code}"'
        headers["WWW-Authenticate"] = f'Bearer resource_metadata="{where}"{told}'
    return json_response(error.body(), status=status, headers=headers)


def _endpoint(*methods: str, name: str) -> Callable[[View], Endpoint]:
    return machine_endpoint(
        *methods, refused=SendingEvent.REFUSED, cors=False, name=name, answers_options=False, refusal=_refusal
    )


def _caller(request: Request) -> Caller:
    return authenticated(request, time.time())


def _empty(status: int) -> Answer:
    return Answer(status, {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}, b"")


def _asked(request: Request) -> str | None:
    """The `stream_id` of the query."""
    assert isinstance(request, HttpRequest)  # noqa: S101  for the type checker: it has no short way
    return request.GET.get("stream_id")


def _stream(caller: Caller, stream_id: object) -> SignalStream:
    """The caller's own stream. Raises `OAuthError`: another client's is not there.

    > 404: if there is no Event Stream with the given "stream_id" for this Event Receiver (SSF 1.0 §8.1.1.2)
    """
    found = caller.stream()
    if found is None or not isinstance(stream_id, str) or found.pk != _uuid(stream_id):
        raise OAuthError(SendingReason.STREAM_UNKNOWN, client_id=caller.receiver.client)
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _locked(caller: Caller, stream_id: object) -> SignalStream:
    """The same, locked. Inside `unit_of_work()`. Raises `OAuthError`."""
    found = statuses.locked(_stream(caller, stream_id))
    if found is None:
        raise OAuthError(SendingReason.STREAM_UNKNOWN, client_id=caller.receiver.client)
    return found


@_endpoint("GET", "POST", "PATCH", "PUT", "DELETE", name="ssf_streams")
def configuration(request: Request) -> Answer:
    """The configuration endpoint (SSF 1.0 §8.1.1)."""
    caller = _caller(request)
    if request.method == "GET":
        return _read(caller, _asked(request))
    caller.require_manage()
    if request.method == "DELETE":
        with unit_of_work():
            streams.delete(_locked(caller, _asked(request)))
        return _empty(204)
    body = json_object(request)
    if request.method == "POST":
        return json_response(streams.as_json(_created(caller, body)), status=201)
    with unit_of_work():
        stream = _locked(caller, body.get("stream_id"))
        streams.change(stream, body, is_whole=request.method == "PUT")
    return json_response(streams.as_json(stream))


def _read(caller: Caller, stream_id: str | None) -> Answer:
    if stream_id is not None:
        return json_response(streams.as_json(_stream(caller, stream_id)))
    # > If the "stream_id" parameter is missing, then the Transmitter MUST return a list of the stream configurations
    # > available to this Receiver. (SSF 1.0 §8.1.1.2)
    found = caller.stream()
    return json_response([] if found is None else [streams.as_json(found)])  # type: ignore[arg-type]  # a list, here


def _created(caller: Caller, body: Mapping[str, Any]) -> SignalStream:
    try:
        with unit_of_work():
            return streams.create(caller.receiver, body, caller.now)
    except IntegrityError:  # another request was faster
        raise OAuthError(SendingReason.STREAM_EXISTS, client_id=caller.receiver.client) from None


@_endpoint("GET", "POST", name="ssf_status")
def status(request: Request) -> Answer:
    """The status endpoint (SSF 1.0 §8.1.2)."""
    caller = _caller(request)
    if request.method == "GET":
        return json_response(streams.status_as_json(_stream(caller, _asked(request))))
    caller.require_manage()
    body = json_object(request)
    with unit_of_work():
        stream = _locked(caller, body.get("stream_id"))
        streams.set_status(stream, body, caller.now)
    return json_response(streams.status_as_json(stream))


@_endpoint("POST", name="ssf_subjects_add")
def add_subject(request: Request) -> Answer:
    """> the Event Transmitter responds with an empty "200 OK" response. (SSF 1.0 §8.1.3.2)"""
    caller = _caller(request)
    caller.require_manage()
    body = json_object(request)
    with unit_of_work():
        excluded.add(_locked(caller, body.get("stream_id")), body)
    return _empty(200)


@_endpoint("POST", name="ssf_subjects_remove")
def remove_subject(request: Request) -> Answer:
    """> the Event Transmitter responds with a "204 No Content" response. (SSF 1.0 §8.1.3.3)"""
    caller = _caller(request)
    caller.require_manage()
    body = json_object(request)
    with unit_of_work():
        excluded.remove(_locked(caller, body.get("stream_id")), body)
    return _empty(204)


@_endpoint("POST", name="ssf_verification")
def verification(request: Request) -> Answer:
    """The verification endpoint (SSF 1.0 §8.1.4)."""
    caller = _caller(request)
    caller.require_manage()
    body = json_object(request)
    with unit_of_work():
        streams.verify(_locked(caller, body.get("stream_id")), body.get("state"), caller.now)
    return _empty(204)


@_endpoint("POST", name="ssf_poll")
def _poll(request: Request) -> Answer:
    caller = _caller(request)
    stream = _stream(caller, request.path.rpartition("/")[2])
    return json_response(polling.answer(stream, polling.read(json_object(request)), caller.now))


def poll(request: HttpRequest, stream_id: str) -> Any:
    """Polling (RFC 8936 §2): reading events and acknowledging them, for which either scope is enough."""
    return _poll(request)


poll.csrf_exempt = True  # type: ignore[attr-defined]
poll.is_machine_endpoint = True  # type: ignore[attr-defined]

urlpatterns = [
    path("ssf/streams", configuration, name="ssf_streams"),
    path("ssf/status", status, name="ssf_status"),
    path("ssf/subjects/add", add_subject, name="ssf_subjects_add"),
    path("ssf/subjects/remove", remove_subject, name="ssf_subjects_remove"),
    path("ssf/verification", verification, name="ssf_verification"),
    path("ssf/poll/<str:stream_id>", poll, name="ssf_poll"),
]
