"""Token requests that are answered later (draft-ietf-oauth-deferred-token-response-01).

A deferral keeps a request that waits for an approval: its parameters encrypted, its code as a digest. What the request
presents (an ID-JAG, an ID token) is judged as of its arrival, so that it does not expire while a person is asked; all
else (rules, approvals, the client, the person) is judged as of the poll. What it uses up is claimed when the deferral
is made, and the deferral itself is redeemed once, in the transaction that issues.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet

from authz import audit
from authz.database import replay
from authz.database.transactions import unit_of_work
from authz.keys import secrets_at_rest
from authz.models import AccessRequest, Client, Deferral
from authz.protocol.errors import OAuthError, Reason
from authz.registry import TokenRequest

PURPOSE = "deferred token requests"
# A person answers within a working day; longer than that no issuer's word should stand unasked.
LIFETIME = timedelta(days=1)
# Seconds, and what a clock and a network may take off them.
INTERVAL = 5
SLACK = 1
MOST_WAITING = 100

Outcome = Deferral.Outcome


@dataclass(frozen=True, slots=True)
class SingleUse:
    """What a request uses up, as `replay.claim` takes it. `expires` in seconds since the epoch."""

    issuer: str
    jti: str
    expires: float


@dataclass(frozen=True, slots=True)
class Opened:
    """A deferral's code and the parameters of its request."""

    code: str
    params: Mapping[str, str]


AT_REST = secrets_at_rest.AtRest(
    Deferral,
    "sealed",
    lambda row: secrets_at_rest.moved(bytes(row.sealed), purpose=PURPOSE, about=str(row.pk)),
)


def make(request: TokenRequest, waits_for: AccessRequest, uses: SingleUse | None) -> Deferral:
    """Keep a request that waits. Raises `OAuthError` if what it uses up was used before."""
    arrived = _datetime(request.now)
    # > The deferral code MUST contain at least 128 bits of entropy (160 bits RECOMMENDED)
    code = secrets.token_urlsafe(32)
    made = Deferral(
        client=request.client,
        access_request=waits_for,
        code_digest=_digest(code),
        request_digest=_request_digest(request.params),
        arrived=arrived,
        expires=arrived + LIFETIME,
    )
    made.sealed = _seal(made, code, request.params)
    with unit_of_work():
        _make_room(request.client, arrived)
        if uses is not None and not replay.claim(uses.issuer, uses.jti, uses.expires):
            raise OAuthError(Reason.DEFERRAL_UNKNOWN, detail="used before")
        made.save(force_insert=True)
        audit.record(
            audit.Event.TOKEN_DEFERRED,
            client_id=request.client.client_id,
            resource=waits_for.resource,
            detail={**_traced(made), "grant_type": request.params["grant_type"], "expires": made.expires.isoformat()},
        )
    return made


def _make_room(client: Client, now: datetime) -> None:
    waiting = Deferral.objects.filter(client=client, outcome=Outcome.WAITING)
    waiting.filter(expires__lte=now).delete()
    if waiting.count() >= MOST_WAITING:
        raise OAuthError(Reason.RATE_LIMITED, detail="too many deferred requests")


def same_request(request: TokenRequest) -> Deferral | None:
    """The deferral of this very request, if it waits: its client lost the answer."""
    waiting = Deferral.objects.filter(
        client=request.client, outcome=Outcome.WAITING, expires__gt=_datetime(request.now)
    )
    return waiting.filter(request_digest=_request_digest(request.params)).select_related("access_request").first()


def of_code(code: str, client: Client) -> Deferral:
    """The client's deferral of this code. Raises `OAuthError`, the same for an unknown code and another client's."""
    found = Deferral.objects.filter(code_digest=_digest(code), client=client).select_related("access_request").first()
    if found is None:
        raise OAuthError(Reason.DEFERRAL_UNKNOWN)
    return found


def poll(deferral: Deferral, now: float) -> None:
    """Count a poll. Raises `OAuthError` for one that comes too late, too soon, or after the end."""
    if deferral.outcome == Outcome.REDEEMED:
        raise OAuthError(Reason.DEFERRAL_REDEEMED)
    if deferral.outcome != Outcome.WAITING:
        raise OAuthError(Reason.DEFERRAL_DENIED, detail=deferral.outcome)
    # > After this interval, the authorization server MUST reject polling requests that present this deferral code with
    # > the error `expired_token`.
    if _datetime(now) >= deferral.expires:
        raise OAuthError(Reason.DEFERRAL_EXPIRED)
    before = _datetime(now - INTERVAL + SLACK)
    rested = Deferral.objects.filter(Q(polled=None) | Q(polled__lte=before), pk=deferral.pk)
    if not rested.update(polled=_datetime(now)):
        raise OAuthError(Reason.POLLED_TOO_SOON)


def open_(deferral: Deferral) -> Opened:
    """Raises `OAuthError` if GATEHOUSE_SECRET_KEY is another one since."""
    try:
        plain = secrets_at_rest.decrypt(bytes(deferral.sealed), purpose=PURPOSE, about=str(deferral.pk))
    except secrets_at_rest.WrongKeyError:
        raise OAuthError(Reason.DEFERRAL_UNKNOWN, detail="the secret key has changed") from None
    kept = json.loads(plain)
    return Opened(code=kept["code"], params=kept["params"])


def _seal(deferral: Deferral, code: str, params: Mapping[str, str]) -> bytes:
    plain = json.dumps({"code": code, "params": _asked(params)}).encode()
    return secrets_at_rest.encrypt(plain, purpose=PURPOSE, about=str(deferral.pk))


def redeem(deferral: Deferral) -> None:
    """Use the deferral up, in the transaction that issues: one conditional statement decides (invariant 3). Raises
    `OAuthError`.
    """
    if not _waiting(deferral).update(outcome=Outcome.REDEEMED):
        raise OAuthError(Reason.DEFERRAL_REDEEMED)
    audit.record(
        audit.Event.DEFERRAL_REDEEMED,
        client_id=deferral.client.client_id,
        resource=deferral.access_request.resource,
        detail=_traced(deferral),
    )


def end(deferral: Deferral, outcome: Deferral.Outcome, *, because: str) -> None:
    """End a deferral that waits without a token. One that has ended stays as it is."""
    with unit_of_work():
        if _waiting(deferral).update(outcome=outcome):
            audit.record(
                audit.Event.DEFERRAL_ENDED,
                client_id=deferral.client.client_id,
                resource=deferral.access_request.resource,
                detail={**_traced(deferral), "outcome": outcome.value, "because": because},
            )


def _waiting(deferral: Deferral) -> QuerySet[Deferral]:
    return Deferral.objects.filter(pk=deferral.pk, outcome=Outcome.WAITING)


def _traced(deferral: Deferral) -> dict[str, str]:
    return {"deferral": str(deferral.pk), "request": str(deferral.access_request_id)}


def _request_digest(params: Mapping[str, str]) -> str:
    return _digest(json.dumps(_asked(params), sort_keys=True))


def _asked(params: Mapping[str, str]) -> dict[str, str]:
    """What is asked for, without what proves who asks: that is another proof each time, and is not kept."""
    return {name: value for name, value in params.items() if name not in _PROOFS}


_PROOFS = frozenset({"client_assertion", "client_assertion_type", "client_secret"})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
