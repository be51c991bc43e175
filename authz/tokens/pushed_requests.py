"""Pushed authorization requests (RFC 9126): kept for a moment, begun in that time, and finished once.

A browser has 90 seconds to bring the `request_uri`. From then on the person may take a day, since a sign-in, a second
factor or an approval takes as long as it takes. Each page of that time shows the same request.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from authz.models import Client, PushedRequest
from authz.models.client import digest
from authz.protocol.errors import OAuthError, Reason

# > urn:ietf:params:oauth:request_uri:<reference-value> (RFC 9126 §2.2)
PREFIX = "urn:ietf:params:oauth:request_uri:"
# > shall issue pushed authorization requests "request_uri" with "expires_in" values of less than 600 seconds (FAPI 2.0
# > Security Profile §5.3.2.2)
LIFETIME = timedelta(seconds=90)
TO_FINISH = timedelta(days=1)
MAXIMUM_LENGTH = 256


def is_reference(request_uri: str | None) -> bool:
    """Whether a `request_uri` is one of those that this server gives out."""
    return request_uri is not None and request_uri.startswith(PREFIX)


def push(client: Client, params: Mapping[str, str], now: float) -> str:
    """Keep a request, and return its `request_uri`. Call it inside `unit_of_work()`.

    > The value […] MUST contain […] a cryptographically strong pseudorandom algorithm such that it is computationally
    > infeasible to predict or guess a valid value (§2.2)
    """
    request_uri = f"{PREFIX}{secrets.token_urlsafe(32)}"
    expires = datetime.fromtimestamp(now, UTC) + LIFETIME
    PushedRequest.objects.create(digest=digest(request_uri), client=client, params=dict(params), expires=expires)
    return request_uri


def begin(request_uri: str, client_id: str, now: float) -> PushedRequest:
    """The request of this reference, for this client, which is begun from now on. Raises `OAuthError`.

    > The request_uri MUST be bound to the client that posted the authorization request. […] An expired request_uri MUST
    > be rejected as invalid. (§2.2, §4)
    """
    moment = datetime.fromtimestamp(now, UTC)
    found = None
    if len(request_uri) <= MAXIMUM_LENGTH:
        found = PushedRequest.objects.select_related("client").filter(digest=digest(request_uri)).first()
    if found is None or found.client.client_id != client_id:
        raise OAuthError(Reason.REQUEST_URI_UNKNOWN)
    if found.finished is not None:
        raise OAuthError(Reason.REQUEST_URI_USED)
    if found.expires <= moment:
        raise OAuthError(Reason.REQUEST_URI_UNKNOWN, detail="expired")
    if found.begun is None:
        PushedRequest.objects.filter(pk=found.pk, begun=None).update(begun=moment, expires=moment + TO_FINISH)
    return found


def finish(reference: str, now: float) -> None:
    """Use a request up. Raises `OAuthError` where another answer did so first (invariant 3)."""
    if not _finished(reference, now):
        raise OAuthError(Reason.REQUEST_URI_USED)


def _finished(reference: str, now: float) -> bool:
    unfinished = PushedRequest.objects.filter(digest=reference, finished=None)
    return unfinished.update(finished=datetime.fromtimestamp(now, UTC)) == 1


def give_up(reference: str, now: float) -> None:
    """The same after an error that went back to the client; one that is finished stays as it is."""
    _finished(reference, now)
