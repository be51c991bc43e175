"""Stream configuration (SSF 1.0 §8.1.1): one stream for each receiver, of which the receiver says how it is told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from authz import audit
from authz.conf import conf
from authz.protocol.display_names import visible
from authz.protocol.errors import OAuthError
from xaa.models import SignalReceiver, SignalStream
from xaa.signals.event_types import EventType
from xaa.signals.sending import outbox, push, receivers, saying, sets, statuses
from xaa.signals.sending.audit_events import SendingEvent
from xaa.signals.sending.reasons import SendingReason

Method, Status = SignalStream.Method, SignalStream.Status
# Seconds between two requests for a verification.
VERIFICATION_INTERVAL = 10
MAXIMUM_EVENTS, MAXIMUM_HEADER = 100, 4096


def malformed(detail: str) -> OAuthError:
    return OAuthError(
        SendingReason.REQUEST_MALFORMED, detail=detail, told=f"{SendingReason.REQUEST_MALFORMED.sentence} {detail}"
    )


def as_json(stream: SignalStream) -> dict[str, Any]:
    """The configuration as its receiver reads it. The authorization header is not read back."""
    return {
        "stream_id": stream.pk.hex,
        "iss": conf.issuer,
        "aud": receivers.audience(stream.receiver),
        "delivery": {"method": stream.method, "endpoint_url": endpoint_url(stream)},
        "events_supported": [kind.value for kind in saying.SUPPORTED],
        **({} if stream.events_requested is None else {"events_requested": stream.events_requested}),
        "events_delivered": [kind.value for kind in outbox.delivered(stream.events_requested)],
        "min_verification_interval": VERIFICATION_INTERVAL,
        **({"description": stream.description} if stream.description else {}),
    }


def endpoint_url(stream: SignalStream) -> str:
    """> The URL where events can be retrieved from. This is specified by the Transmitter. (SSF 1.0 §6.1.2)"""
    return stream.endpoint_url if stream.method == Method.PUSH else conf.endpoint(f"ssf/poll/{stream.pk.hex}")


def create(receiver: SignalReceiver, body: Mapping[str, Any], now: datetime) -> SignalStream:
    """Inside `unit_of_work()`. Raises `OAuthError`, and IntegrityError where another request was faster."""
    # > If the Transmitter does not allow multiple streams with the same Receiver, it MUST respond with HTTP status code
    # > "409 Conflict". (SSF 1.0 §8.1.1.1)
    if SignalStream.objects.filter(receiver=receiver).exists():
        raise OAuthError(SendingReason.STREAM_EXISTS, client_id=receiver.client)
    stream = SignalStream(receiver=receiver, created=now)
    _take(stream, {name: body.get(name) for name in ("delivery", "events_requested", "description")})
    stream.save(force_insert=True)
    _record(SendingEvent.STREAM_CREATED, stream, method=stream.method, to=stream.endpoint_url)
    return stream


def change(stream: SignalStream, body: Mapping[str, Any], *, is_whole: bool) -> None:
    """Update a locked stream (PATCH), or replace its configuration (PUT). Inside `unit_of_work()`. Raises `OAuthError`.

    > Transmitter-Supplied properties besides the stream_id MAY be present, but they MUST match the expected value.
    > (SSF 1.0 §8.1.1.3)
    > Missing Receiver-Supplied properties MUST be interpreted as requested to be deleted. (§8.1.1.4)
    """
    expected = as_json(stream)
    for name in ("iss", "aud", "events_supported", "events_delivered", "min_verification_interval"):
        if name in body and body[name] != expected[name]:
            raise malformed(f"{name} is not as it is.")
    before = stream.method, stream.endpoint_url
    given = {
        name: body.get(name) for name in ("delivery", "events_requested", "description") if is_whole or name in body
    }
    _take(stream, given)
    if (stream.method, stream.endpoint_url) != before:
        # Another address is another try.
        stream.due, stream.failures, stream.failing_since, stream.failure = None, 0, None, ""
    stream.save()
    _record(SendingEvent.STREAM_CHANGED, stream, changed=sorted(given), method=stream.method, to=stream.endpoint_url)


def delete(stream: SignalStream) -> None:
    """Inside `unit_of_work()`. Raises `OAuthError`."""
    if stream.receiver.push_url:
        raise OAuthError(SendingReason.STREAM_FIXED, client_id=stream.receiver.client)
    _record(SendingEvent.STREAM_DELETED, stream, dropped=stream.waiting.count())
    stream.delete()


def ensure_fixed(receiver: SignalReceiver, now: datetime) -> None:
    """The stream that administrators made: to where they say. Inside `unit_of_work()`."""
    if not receiver.push_url:
        return
    stream = SignalStream.objects.filter(receiver=receiver).first() or SignalStream(receiver=receiver, created=now)
    is_new = stream._state.adding
    if is_new or (stream.method, stream.endpoint_url) != (Method.PUSH, receiver.push_url):
        stream.due, stream.failures, stream.failing_since, stream.failure = None, 0, None, ""
    stream.method, stream.endpoint_url = Method.PUSH, receiver.push_url
    push.set_authorization(stream, push.authorization(receiver))
    stream.save()
    if is_new:
        _record(SendingEvent.STREAM_CREATED, stream, method=stream.method, to=stream.endpoint_url)


def verify(stream: SignalStream, state: object, now: datetime) -> None:
    """Send a verification event. Inside `unit_of_work()`, with the stream locked. Raises `OAuthError`.

    > If an Event Receiver submits verification requests more frequently than this, the Event Transmitter MAY respond
    > with a 429 status code. (SSF 1.0 §8.1.1)
    """
    if stream.verified is not None and (now - stream.verified).total_seconds() < VERIFICATION_INTERVAL:
        raise OAuthError(SendingReason.TOO_SOON, client_id=stream.receiver.client, retry_after=VERIFICATION_INTERVAL)
    if state is not None and not (isinstance(state, str) and len(state) <= 1024):
        raise malformed("state has to be a text of 1,024 characters at most.")
    stream.verified = now
    stream.save(update_fields=["verified"])
    # A disabled stream holds nothing.
    if stream.status != Status.DISABLED:
        sets.write_about(stream, EventType.VERIFICATION, {} if state is None else {"state": state}, now)


def _take(stream: SignalStream, given: Mapping[str, Any]) -> None:
    """What a receiver says of its stream. Raises `OAuthError`."""
    if "delivery" in given:
        _take_delivery(stream, given["delivery"])
    if "events_requested" in given:
        stream.events_requested = _events(given["events_requested"])
    if "description" in given:
        description = given["description"]
        if description is not None and not isinstance(description, str):
            raise malformed("description has to be a text.")
        # > The transmitter MAY truncate the string beyond an allowed max length. (§8.1.1)
        stream.description = visible(description or "")[:255]


def _events(value: object) -> list[str] | None:
    """> A Transmitter MUST ignore any array values that it does not understand. (SSF 1.0 §8.1.1)"""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAXIMUM_EVENTS:
        raise malformed(f"events_requested has to be a list of {MAXIMUM_EVENTS} event types at most.")
    return list(dict.fromkeys(one for one in value if isinstance(one, str) and 0 < len(one) <= 256))


def _take_delivery(stream: SignalStream, delivery: object) -> None:
    # > If the request does not contain the `delivery` property, then the Transmitter MUST assume that the `method` is
    # > "urn:ietf:rfc:8936" (poll). (SSF 1.0 §8.1.1.1)
    said = {"method": Method.POLL} if delivery is None else delivery
    if not isinstance(said, dict) or said.get("method") not in Method.values:
        raise malformed(f"delivery has to be an object whose method is one of {', '.join(Method.values)}.")
    method, url = str(said["method"]), said.get("endpoint_url", "")
    if stream.receiver.push_url and (method, url) != (Method.PUSH, stream.receiver.push_url):
        raise OAuthError(SendingReason.STREAM_FIXED, client_id=stream.receiver.client)
    if method == Method.POLL:
        stream.method, stream.endpoint_url, stream.authorization = method, "", b""
        return
    # Attack: a receiver has this server push to a host of our own network.
    if not isinstance(url, str) or not push.is_pushable(url):
        raise malformed("endpoint_url is not a URL that this server pushes to.")
    header = said.get("authorization_header", "")
    if (
        not isinstance(header, str)
        or len(header) > MAXIMUM_HEADER
        or not header.isascii()
        or not (header + "a").isprintable()
    ):
        raise malformed("authorization_header has to be printable ASCII.")
    # It is not read back, so a receiver that writes what it read keeps it, at the same address alone.
    if header or stream.endpoint_url != url:
        push.set_authorization(stream, header)
    stream.method, stream.endpoint_url = method, url


def set_status(stream: SignalStream, body: Mapping[str, Any], now: datetime) -> None:
    """A receiver's own change. Inside `unit_of_work()`, with the stream locked. Raises `OAuthError`."""
    status, reason = body.get("status"), body.get("reason", "")
    if status not in Status.values or not isinstance(reason, str):
        raise malformed(f"status has to be one of {', '.join(Status.values)}, and reason a text.")
    who = stream.receiver.client
    statuses.change(stream, str(status), reason, by=statuses.RECEIVER, who=who, now=now)


def status_as_json(stream: SignalStream) -> dict[str, Any]:
    return {
        "stream_id": stream.pk.hex,
        "status": stream.status,
        **({"reason": stream.reason} if stream.reason else {}),
    }


def _record(event: SendingEvent, stream: SignalStream, **detail: object) -> None:
    named = {"receiver": stream.receiver.name, "stream": stream.pk.hex}
    audit.record(event, client_id=stream.receiver.client, detail={**named, **detail})
