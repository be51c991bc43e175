"""Events as Security Event Tokens (RFC 8417), and those that are about a stream itself."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from authz import keys
from authz.conf import conf
from xaa.models import SignalEvent, SignalStream
from xaa.signals import subjects
from xaa.signals.event_types import EventType
from xaa.signals.sending import receivers, saying
from xaa.signals.subjects import Opaque

# > SSF events MUST use explicit typing as defined in Section 2.3 of RFC 8417. (SSF 1.0 §4.1.1)
TYP = "secevent+jwt"
# > All events MUST be signed using the `RS256` algorithm using a minimum of 2048-bit keys. (CAEP interoperability §2.6)
ALG = "RS256"


def write_about(stream: SignalStream, event_type: EventType, claims: Mapping[str, Any], now: datetime) -> None:
    """An event about the stream itself, which comes whether it was asked for or not.

    > The value of the `sub_id` field MUST be of format `opaque`, and its `id` value MUST be the unique ID of the
    > stream. (SSF 1.0 §8.1.5)
    """
    made = uuid.uuid4()
    SignalEvent.objects.create(
        stream=stream,
        txn=made,
        event_type=event_type.value,
        subject=subjects.as_json(Opaque(stream.pk.hex)),
        claims=dict(claims),
        digest=saying.digest(made.hex),
        created=now,
    )


def claims(row: SignalEvent, audience: str) -> dict[str, Any]:
    """The claims of an event's SET, the same with each attempt.

    > The JWT "sub" claim MUST NOT be present (SSF 1.0 §4.1.2)
    > The "exp" claim MUST NOT be used in SETs. (§4.1.7)
    > The "events" claim of the SET MUST contain only one event. (CAEP interoperability §2.8.1)
    """
    return {
        "iss": conf.issuer,
        "jti": row.jti.hex,
        "iat": int(row.created.timestamp()),
        "aud": audience,
        "txn": row.txn.hex,
        "sub_id": row.subject,
        "events": {row.event_type: row.claims},
    }


def signed(row: SignalEvent, now: float) -> str:
    """The SET. Not inside `unit_of_work()`. Raises `OAuthError` where no key may sign."""
    return keys.sign(claims(row, receivers.audience(row.stream.receiver)), typ=TYP, alg=ALG, now=now)
