"""The transmitter's end of a stream: its configuration document, and its stream management (SSF 1.0 §7, §8).

> all Stream Management API endpoints MUST use standard HTTP authentication and authorization schemes (SSF 1.0 §8)

Ours is an access token by client credentials (access_tokens.py), or the bearer token that the transmitter's
administrator gave us.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from authz import audit
from authz.database.transactions import unit_of_work
from authz.keys.secrets_at_rest import WrongKeyError
from authz.outbound import OutboundError, Response, Role, fetch, is_fetchable
from authz.protocol import strict_json
from xaa.models import SignalSource, SignalSourceState, SignalSourceToken
from xaa.signals.event_types import StreamStatus
from xaa.signals.receiving import access_tokens, keys, stream_events
from xaa.signals.receiving.actions import REQUESTED
from xaa.signals.receiving.events import SignalEvent
from xaa.signals.receiving.inbox import state_of

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
METHODS = {SignalSource.Delivery.PUSH: PUSH, SignalSource.Delivery.POLL: POLL}


class TransmitterError(Exception):
    """What the transmitter refused or did not do, in words for who tried. `status` is its HTTP status, if any."""

    def __init__(self, words: str, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status


def metadata_addresses(issuer: str) -> tuple[str, ...]:
    """Where its configuration may stand.

    > any terminating "/" MUST be removed before inserting "/.well-known/ssf-configuration" between the host component
    > and the path component (SSF 1.0 §7.2.1); older ones have /risc-configuration there (§7.2.2)
    """
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return tuple(f"{origin}/.well-known/{name}-configuration{path}" for name in ("ssf", "risc"))


def metadata(source: SignalSource) -> Mapping[str, Any]:
    """Its configuration document. Raises `TransmitterError`."""
    issuer, failure = keys.transmitter_of(source), ""
    for address in metadata_addresses(issuer):
        try:
            found = strict_json.read_object(fetch(Role.ISSUER_METADATA, address).body)
        except OutboundError as error:
            failure = failure or f"{address}: {error.cause.sentence}"
            continue
        except strict_json.StrictJsonError as error:
            raise TransmitterError(f"{address}: {error.sentence}") from None
        # > The "issuer" value returned MUST be identical to the Issuer URL that was directly used to retrieve the
        # > configuration information. (SSF 1.0 §7.2.4)
        if found.get("issuer") != issuer:
            raise TransmitterError(f"{address} is of another issuer.")
        return found
    raise TransmitterError(failure)


def create(source: SignalSource, *, by: str, now: datetime) -> SignalSourceState:
    """Make the stream there, or take over the one that it has for us. Raises `TransmitterError`."""
    about = metadata(source)
    endpoint = _endpoint(about, "configuration_endpoint")
    wanted = _wanted(source)
    pushed = _delivery(source, by, now)
    try:
        answer = _made(source, endpoint, wanted | {"delivery": pushed.delivery})
        _keep(source, about, answer)
    except TransmitterError:
        pushed.take_back(by, now)
        raise
    _record(source, "created", by)
    return state_of(source)


def update(source: SignalSource, *, by: str, now: datetime, new_token: bool = False) -> None:
    """Tell it which events are wanted; with a `new_token`, the one that it pushes with, and the others go. Raises
    `TransmitterError`."""
    about, body = metadata(source), {"stream_id": _stream(source), **_wanted(source)}
    pushed = _delivery(source, by, now) if new_token and source.delivery == SignalSource.Delivery.PUSH else None
    if pushed is not None:
        body["delivery"] = pushed.delivery
    try:
        answer = _ask(source, "PATCH", _endpoint(about, "configuration_endpoint"), body)
        if answer:
            _keep(source, about, answer)
    except TransmitterError:
        if pushed is not None:
            pushed.take_back(by, now)
        raise
    if pushed is not None:
        pushed.replace_others(by, now)
    _record(source, "updated", by)


def delete(source: SignalSource, *, by: str) -> None:
    """Remove the stream there. Raises `TransmitterError`."""
    endpoint = _with_stream(_endpoint(metadata(source), "configuration_endpoint"), _stream(source))
    try:
        _ask(source, "DELETE", endpoint, None)
    except TransmitterError as error:
        if error.status != 404:
            raise
    none = {"stream_id": "", "audience": [], "poll_url": "", "delivered": [], "status": "", "status_reason": ""}
    SignalSourceState.objects.filter(source=source).update(**none)
    _record(source, "deleted", by)


def ask_status(source: SignalSource, *, now: datetime) -> str:
    """What it says of the stream's status, kept. Raises `TransmitterError`."""
    endpoint = _with_stream(_endpoint(metadata(source), "status_endpoint"), _stream(source))
    return _keep_status(source, _ask(source, "GET", endpoint, None), now)


def set_status(source: SignalSource, status: StreamStatus, *, by: str, now: datetime) -> str:
    """Have it enable, pause or disable the stream; what it then says. Raises `TransmitterError`."""
    body = {"stream_id": _stream(source), "status": status.value}
    answer = _ask(source, "POST", _endpoint(metadata(source), "status_endpoint"), body)
    _record(source, f"status {status.value}", by)
    return _keep_status(source, answer or body, now)


def verify(source: SignalSource, *, now: datetime) -> None:
    """Ask for a verification event. It comes as any event does, later. Raises `TransmitterError`."""
    endpoint, stream = _endpoint(metadata(source), "verification_endpoint"), _stream(source)
    said = secrets.token_urlsafe(24)
    # Kept before it is asked for: the event may come before the answer.
    state_of(source)
    expected = {"state_digest": stream_events.digest_of(said), "asked": now}
    SignalSourceState.objects.filter(source=source).update(**expected)
    _ask(source, "POST", endpoint, {"stream_id": stream, "state": said})


# --- What goes over the wire ------------------------------------------------------------------------------------------


class _Pushed:
    """How events are to be delivered; for push with a token that is made for it."""

    def __init__(self, source: SignalSource, delivery: dict[str, Any], token: SignalSourceToken | None) -> None:
        self.source, self.delivery, self.token = source, delivery, token

    def take_back(self, by: str, now: datetime) -> None:
        if self.token is not None:
            keys.withdraw_token(self.token, by=by, now=now)

    def replace_others(self, by: str, now: datetime) -> None:
        others = SignalSourceToken.objects.filter(source=self.source, withdrawn=None).select_related("source")
        for one in others.exclude(pk=self.token.pk if self.token else 0):
            keys.withdraw_token(one, by=by, now=now)


def _delivery(source: SignalSource, by: str, now: datetime) -> _Pushed:
    if source.delivery == SignalSource.Delivery.POLL:
        return _Pushed(source, {"method": POLL}, None)
    token = keys.make_token(source, days=keys.USUAL_DAYS, by=by, now=now)
    row = SignalSourceToken.objects.select_related("source").get(digest=keys.digest_of(token))
    # > the receiver SHOULD provide this authorization header in the stream creation/updation. (SSF 1.0 §6.1.1)
    header = {"authorization_header": f"Bearer {token}"}
    return _Pushed(source, {"method": PUSH, "endpoint_url": keys.push_address(), **header}, row)


def _wanted(source: SignalSource) -> dict[str, Any]:
    return {"events_requested": list(REQUESTED), "description": f"Gatehouse: {source.name}"}


def _made(source: SignalSource, endpoint: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return _ask(source, "POST", endpoint, body)
    except TransmitterError as error:
        if error.status != 409:
            raise
    # > The Receiver MAY then GET the existing stream configuration and, if desired, use PATCH or PUT to update or
    # > replace the existing stream configuration. (SSF 1.0 §8.1.1.1)
    streams = _ask_any(source, "GET", endpoint, None)
    known = streams if isinstance(streams, list) else [streams]
    if len(known) != 1 or not isinstance(known[0], dict) or not isinstance(known[0].get("stream_id"), str):
        raise TransmitterError("It has several streams for us already: name the one to use, or delete them there.")
    return _ask(source, "PATCH", endpoint, {"stream_id": known[0]["stream_id"], **body})


def _keep(source: SignalSource, about: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    # > The Receiver MUST check the response and confirm that the iss value matches the Issuer from which it received
    # > the Transmitter Configuration data. (SSF 1.0 §8.1.1.1)
    if answer.get("iss") != keys.transmitter_of(source):
        raise TransmitterError("The stream that it made is of another issuer.")
    named = answer.get("aud")
    audience = [one for one in (named if isinstance(named, list) else [named]) if isinstance(one, str) and one][:20]
    # > the Receiver SHOULD ensure that it matches what it expects. (SSF 1.0 §8.1.1.1.1)
    if not audience or (source.audience and not set(audience) & set(source.audience)):
        raise TransmitterError(f"Its aud is not as expected: {audience}.")
    stream, delivery = answer.get("stream_id"), answer.get("delivery")
    if not isinstance(stream, str) or not 0 < len(stream) <= 255:
        raise TransmitterError("It gave the stream no id.")
    if not isinstance(delivery, dict) or delivery.get("method") != METHODS[SignalSource.Delivery(source.delivery)]:
        raise TransmitterError("It delivers in another way than was asked for.")
    poll_url = str(delivery.get("endpoint_url", "")) if source.delivery == SignalSource.Delivery.POLL else ""
    if source.delivery == SignalSource.Delivery.POLL and not (
        source.poll_url or is_fetchable(poll_url, Role.SIGNAL_POLL)
    ):
        raise TransmitterError("The address to poll is none that this server calls.")
    critical, delivered = about.get("critical_subject_members"), answer.get("events_delivered")
    values = {
        "stream_id": stream,
        "audience": audience,
        "poll_url": poll_url[:1024],
        "jwks_uri": about["jwks_uri"] if isinstance(about.get("jwks_uri"), str) else "",
        "critical": [str(one)[:64] for one in critical[:20]] if isinstance(critical, list) else [],
        "delivered": [str(one)[:255] for one in delivered[:50]] if isinstance(delivered, list) else [],
    }
    SignalSourceState.objects.update_or_create(source=source, defaults=values)


def _keep_status(source: SignalSource, answer: Mapping[str, Any], now: datetime) -> str:
    status, reason = answer.get("status"), answer.get("reason")
    if status not in frozenset(StreamStatus):
        raise TransmitterError("It says no status.")
    with unit_of_work():
        state = SignalSourceState.objects.select_for_update().get(source=source)
        stream_events.changed(source, state, str(status), reason if isinstance(reason, str) else "", now)
    return str(status)


def _stream(source: SignalSource) -> str:
    found = state_of(source).stream_id
    if not found:
        raise TransmitterError("The stream was not made by this server: manage it at the transmitter.")
    return found


def _endpoint(about: Mapping[str, Any], name: str) -> str:
    found = about.get(name)
    if not isinstance(found, str) or not is_fetchable(found, Role.SIGNAL_TRANSMITTER):
        raise TransmitterError(f"Its configuration names no {name} that this server calls.")
    return found


def _with_stream(endpoint: str, stream: str) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode({'stream_id': stream})}"


def headers(source: SignalSource) -> dict[str, str]:
    """Our credentials at the transmitter. Raises `TransmitterError`."""
    try:
        token = access_tokens.token(source, lambda: metadata(source)) if source.client_id else keys.opened(source)
    except WrongKeyError:
        raise TransmitterError("Our credentials there cannot be decrypted: enter them again.") from None
    except access_tokens.NoTokenError as error:
        raise TransmitterError(str(error)) from None
    if not token:
        raise TransmitterError("We have no token there: enter one.")
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def authorized(source: SignalSource, call: Callable[[dict[str, str]], Response]) -> Response:
    """The answer to a call with our credentials; with new ones, where an access token of ours has been ended there.
    Raises `OutboundError`, and `TransmitterError`.
    """
    try:
        return call(headers(source))
    except OutboundError as error:
        if error.status != 401 or not source.client_id:
            raise
    access_tokens.forget(source)
    return call(headers(source))


def _ask(source: SignalSource, method: str, url: str, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = _ask_any(source, method, url, body)
    if not isinstance(found, dict):
        raise TransmitterError("It did not answer with a JSON object.")
    return found


def _ask_any(source: SignalSource, method: str, url: str, body: Mapping[str, Any] | None) -> Any:
    sent = None if body is None else json.dumps(body).encode()
    try:
        answer = authorized(
            source, lambda given: fetch(Role.SIGNAL_TRANSMITTER, url, headers=given, body=sent, method=method)
        )
    except OutboundError as error:
        told = f"{error.cause.sentence} ({error.status})" if error.status else error.cause.sentence
        raise TransmitterError(f"{method} {urlsplit(url).netloc}: {told}", error.status) from None
    if not answer.body.strip():
        return {}
    try:
        return strict_json.read_message(answer.body)
    except strict_json.StrictJsonError as error:
        raise TransmitterError(f"{urlsplit(url).netloc}: {error.sentence}") from None


def _record(source: SignalSource, what: str, by: str) -> None:
    with unit_of_work():
        audit.record(SignalEvent.MANAGED, detail={"source": source.name, "what": what, "by": by})
