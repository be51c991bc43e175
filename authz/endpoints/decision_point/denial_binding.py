"""What binds an access request to the denial that it answers: a MAC over the call, its holder and an end.

> When present, the value MUST be integrity protected in a way the Access Request Service can verify (Access Request and
> Approval Profile, Requestable Denial Context)

The service is this server itself, so nothing is stored, and no other server needs a key.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

from authz.conf import conf
from authz.keys.secrets_at_rest import key_for, other_keys_for
from authz.policy import ToolCall
from authz.protocol import canonical_json

PURPOSE = "denials that can be asked about"


def endpoint() -> str:
    """Where access requests are submitted."""
    return conf.endpoint("access/v1/requests")


def bound(authorization: UUID, tool: ToolCall) -> str:
    """The call and its holder, as one value."""
    return canonical_json.digest([str(authorization), tool.digest])


def token(evaluation: str, about: str, expires: datetime) -> str:
    """The `binding_token` of a denial: `evaluation.end.MAC`."""
    body = f"{evaluation}.{int(expires.timestamp())}"
    return f"{body}.{_mac(key_for(PURPOSE), body, about)}"


def evaluation_of(given: str, about: str, now: float) -> str | None:
    """The evaluation whose denial is asked about; None if the token is another's, of another call, or too old."""
    body, _, mac = given.rpartition(".")
    keys = (key_for(PURPOSE), *other_keys_for(PURPOSE))
    if not any(hmac.compare_digest(mac.encode(), _mac(key, body, about).encode()) for key in keys):
        return None
    evaluation, _, ends = body.partition(".")
    return evaluation if datetime.fromtimestamp(int(ends), UTC).timestamp() > now else None


def _mac(key: bytes, body: str, about: str) -> str:
    return urlsafe_b64encode(hmac.digest(key, f"{body} {about}".encode(), hashlib.sha256)).rstrip(b"=").decode()
