"""A transmitter of security events, as the corporate IdP has one: what it signs, and its requests."""

import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.test import Client

from authz.conf import conf
from authz.configuration import apply
from tests.xaa.company import IDP, Idp
from xaa.models import SignalSource
from xaa.signals.event_types import EventType
from xaa.signals.receiving import keys

TYP = "secevent+jwt"
BOB = {"format": "iss_sub", "iss": IDP, "sub": "bob-at-idp"}


@dataclass
class Answer:
    status: int
    body: dict[str, Any]
    headers: Any


def configure(**more: Any) -> SignalSource:
    item = {"name": "Okta", "issuer": IDP, **more}
    apply(f"signal_sources: {json.dumps([item])}")
    return SignalSource.objects.select_related("issuer").get(name=item["name"])


def claims(event: EventType | str, subject: Any = BOB, members: Any = None, **changes: Any) -> dict[str, Any]:
    """The claims of a SET; a claim that is None is left out."""
    said = {
        "iss": IDP,
        "aud": conf.issuer,
        "iat": int(time.time()),
        "jti": uuid.uuid4().hex,
        "sub_id": subject,
        "events": {str(event): members or {}},
        "txn": "8675309",
    }
    return {name: value for name, value in (said | changes).items() if value is not None}


class Transmitter:
    """Pushes to one source."""

    def __init__(self, idp: Idp, source: SignalSource) -> None:
        self.idp, self.source = idp, source
        self.token = keys.make_token(source, days=1, by="test", now=datetime.now(UTC))

    def set(self, event: EventType | str, subject: Any = BOB, members: Any = None, **changes: Any) -> str:
        return self.idp.sign(claims(event, subject, members, **changes), TYP)

    def push(self, token: str, **headers: str) -> Answer:
        given = {"authorization": f"Bearer {self.token}", **headers}
        found: Any = Client().generic(
            "POST",
            f"{conf.issuer_path}/signals/events",
            data=token,
            content_type=headers.pop("content_type", "application/secevent+jwt"),
            headers={name: value for name, value in given.items() if name != "content_type"},
        )
        return Answer(found.status_code, json.loads(found.content or "{}"), found.headers)

    def send(self, event: EventType | str, subject: Any = BOB, members: Any = None, **changes: Any) -> None:
        found = self.push(self.set(event, subject, members, **changes))
        assert (found.status, found.body) == (202, {}), found.body
