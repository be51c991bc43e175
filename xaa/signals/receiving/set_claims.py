"""What a SET says (RFC 8417, SSF 1.0 §4.1), once its signature holds. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from authz.protocol.errors import OAuthError
from authz.protocol.jwts import CLOCK_SKEW
from xaa.signals import event_types, subjects
from xaa.signals.event_types import EventMemberError, EventType
from xaa.signals.receiving.reasons import SignalReason
from xaa.signals.subjects import Subject, SubjectError

TYP = "secevent+jwt"
# Seconds. A stream may pause for weeks; what is older than its claim would be could come twice.
LONGEST_AGE = 28 * 24 * 3600
MAXIMUM_AUDIENCES = 20
# Events have one type; a few other names for it may stand beside it.
MAXIMUM_EVENTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """`event_type` is None for one that we don't know; its `uri` says which. `happened` and `issued` are in seconds
    since the epoch. `subject` is None only where the type is not known."""

    jti: str
    issued: float
    happened: float
    txn: str
    uri: str
    event_type: EventType | None
    members: Mapping[str, Any]
    subject: Subject | None


def read(claims: Mapping[str, Any], *, transmitter: str, audiences: Collection[str], now: float) -> SecurityEvent:
    """The event in verified claims. Raises `OAuthError`."""
    # > Receivers MUST validate that this claim matches the "iss" in the Stream Configuration data, as well as the
    # > Issuer from which the Receiver requested the Transmitter Configuration data. (SSF 1.0 §4.1.6)
    if claims.get("iss") != transmitter:
        raise OAuthError(SignalReason.ISSUER)
    if not set(_audiences(claims.get("aud"))) & set(audiences):
        raise OAuthError(SignalReason.AUDIENCE)
    # > The JWT "sub" claim MUST NOT be present in any SET containing an SSF event. (SSF 1.0 §4.1.2)
    # > The "exp" claim MUST NOT be used in SETs. (SSF 1.0 §4.1.7) So no other kind of JWT passes for a SET.
    for name in ("sub", "exp"):
        if name in claims:
            raise OAuthError(SignalReason.CLAIM, detail=name)
    jti, issued = _text(claims, "jti"), _issued(claims, now)
    uri, members = _event(claims.get("events"))
    event_type = event_types.known(uri)
    if event_type is not None:
        try:
            event_types.check(event_type, members)
        except EventMemberError as error:
            raise OAuthError(SignalReason.MEMBER, detail=error.member) from None
    return SecurityEvent(
        jti=jti,
        issued=issued,
        happened=_happened(members, issued),
        txn=claims["txn"][:255] if isinstance(claims.get("txn"), str) else "",
        uri=uri,
        event_type=event_type,
        members=members,
        subject=_subject(claims, members, is_known=event_type is not None),
    )


def _audiences(audience: object) -> list[str]:
    named = audience if isinstance(audience, list) else [audience]
    if len(named) > MAXIMUM_AUDIENCES or not all(isinstance(one, str) and one for one in named):
        return []
    return named


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        raise OAuthError(SignalReason.CLAIM, detail=name)
    return value


def _issued(claims: Mapping[str, Any], now: float) -> float:
    issued = claims.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float) or not 0 <= issued < 2**53:
        raise OAuthError(SignalReason.CLAIM, detail="iat")
    if not now - LONGEST_AGE <= issued <= now + CLOCK_SKEW:
        raise OAuthError(SignalReason.AGE)
    return float(issued)


def _event(events: object) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(events, dict) or not 0 < len(events) <= MAXIMUM_EVENTS:
        raise OAuthError(SignalReason.EVENTS)
    # > Multiple event type URIs are permitted only if they are alternative URIs defining the exact same event type.
    # > (SSF 1.0 §4.2.1)
    known = [uri for uri in events if event_types.known(uri)]
    if len(known) > 1:
        raise OAuthError(SignalReason.EVENTS)
    uri = str((known or list(events))[0])
    members = events[uri]
    if not isinstance(members, dict) or not 0 < len(uri) <= 255:
        raise OAuthError(SignalReason.EVENTS)
    return uri, members


def _happened(members: Mapping[str, Any], issued: float) -> float:
    """`event_timestamp`, where it says a moment before the event was issued: older drafts had milliseconds there."""
    said = members.get("event_timestamp")
    is_number = isinstance(said, int | float) and not isinstance(said, bool)
    return float(said) if is_number and 0 < said <= issued + CLOCK_SKEW else issued  # type: ignore[operator,arg-type]


def _subject(claims: Mapping[str, Any], members: Mapping[str, Any], *, is_known: bool) -> Subject | None:
    # > A top-level claim named sub_id MUST be used to describe the primary subject of the event. (SSF 1.0 §3.1)
    # Before that text was final, it stood in the event itself.
    said = claims.get("sub_id", members.get("subject"))
    if said is None:
        return _without_subject() if is_known else None
    try:
        return subjects.read(said)
    except SubjectError as error:
        if is_known:
            raise OAuthError(SignalReason.SUBJECT, detail=str(error)) from None
        return None


def _without_subject() -> NoReturn:
    raise OAuthError(SignalReason.SUBJECT, detail="sub_id")
