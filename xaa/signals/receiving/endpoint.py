"""`{issuer}/signals/events`: one SET in the body of a POST (RFC 8935), from a source that its bearer token names.

It is no short-way endpoint (authz/serving/wsgi.py): events take the threads of pages, and no time from tokens.
"""

import time
from datetime import UTC, datetime

from django.http.request import RawPostDataException
from django.urls import path

from authz import audit
from authz.database import configuration_cache
from authz.endpoints.machine import Answer, Request, json_response, machine_endpoint
from authz.limits import rate_limits
from authz.protocol.errors import OAuthError
from authz.protocol.jwts import MAX_TOKEN_LENGTH
from authz.protocol.numbers import number
from xaa.models import SignalSource, SignalSourceToken
from xaa.signals.receiving import inbox, keys
from xaa.signals.receiving.events import SignalEvent
from xaa.signals.receiving.reasons import SignalReason

MEDIA_TYPE = "application/secevent+jwt"
MAXIMUM_TOKEN = 512
_CODES = frozenset(reason.code for reason in SignalReason)
_GENERAL = frozenset({405, 413, 429, 500, 503})


def _refusal(request: Request, error: OAuthError) -> Answer:
    # > When the SET Recipient detects an error parsing, validating, or authenticating a SET transmitted in a SET
    # > Transmission Request, the SET Recipient SHALL respond with an HTTP Response Status Code of 400 (Bad Request).
    # > The Content-Type header field of this response MUST be "application/json" […] The response MUST include a
    # > Content-Language header field (RFC 8935 §2.4)
    headers = {"Content-Language": "en", **({"Retry-After": str(error.retry_after)} if error.retry_after else {})}
    told = {"err": error.code if error.code in _CODES else "invalid_request", "description": error.sentence}
    if error.status in _GENERAL:
        # > In the event of a general HTTP error condition, the SET Recipient MAY respond with the applicable HTTP
        # > Status Code (RFC 8935 §2.4) Nothing is wrong with the event, and it may come again.
        return json_response(told | {"err": error.code}, status=error.status, headers=headers)
    return json_response(told, status=400, headers=headers)


@machine_endpoint(
    "POST", refused=SignalEvent.REFUSED, cors=False, name="signals", answers_options=False, refusal=_refusal
)
def receive(request: Request) -> Answer:
    """202 for an event that was taken, now or before."""
    rate_limits.admit()
    configuration_cache.begin()
    source = _source(request.META.get("HTTP_AUTHORIZATION"), datetime.now(UTC))
    audit.proven(f"signals {source.name}")
    rate_limits.of_asker("signals:source", source.name, "")
    try:
        inbox.take(source, _body(request), time.time())
    except OAuthError as error:
        inbox.failed(source, error)
        raise
    # > If the SET is determined to be valid, the SET Recipient SHALL acknowledge successful transmission by responding
    # > with HTTP Response Status Code 202 (Accepted) […] The body of the response MUST be empty. (RFC 8935 §2.2)
    return Answer(202, {"Cache-Control": "no-store"}, b"")


def _source(header: str | None, now: datetime) -> SignalSource:
    """The source whose token the request has. Raises `OAuthError`."""
    scheme, _, token = (header or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > MAXIMUM_TOKEN:
        raise OAuthError(SignalReason.UNAUTHENTICATED)
    found = SignalSourceToken.objects.select_related("source__issuer").filter(digest=keys.digest_of(token)).first()
    if found is None:
        raise OAuthError(SignalReason.TOKEN_UNKNOWN)
    if found.withdrawn is not None:
        raise OAuthError(SignalReason.TOKEN_WITHDRAWN, detail=found.source.name)
    if found.expires <= now:
        raise OAuthError(SignalReason.TOKEN_EXPIRED, detail=found.source.name)
    return found.source


def _body(request: Request) -> str:
    """The SET. Raises `OAuthError`."""
    if (request.META.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise OAuthError(SignalReason.REQUEST_MALFORMED, detail="Content-Type", told=f"Content-Type is {MEDIA_TYPE}.")
    if number(request.META.get("CONTENT_LENGTH") or "0", most=MAX_TOKEN_LENGTH) is None:
        raise OAuthError(SignalReason.REQUEST_MALFORMED, detail="length")
    try:
        return request.body.decode("ascii").strip()
    except (OSError, RawPostDataException, UnicodeDecodeError):
        raise OAuthError(SignalReason.REQUEST_MALFORMED, detail="body") from None


urlpatterns = [path("signals/events", receive, name="signals_events")]
