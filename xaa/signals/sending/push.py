"""One event, pushed (RFC 8935)."""

from collections.abc import Mapping

from authz import outbound
from authz.keys import secrets_at_rest
from authz.keys.secrets_at_rest import AtRest, WrongKeyError
from authz.outbound import Cause, OutboundError, Role
from authz.protocol.errors import OAuthError
from xaa.models import SignalReceiver, SignalStream

_PURPOSE = "authorization of signal streams"
MEDIA_TYPE = "application/secevent+jwt"


def sealed(header: str, about: object) -> bytes:
    """An Authorization header's value as it is stored. `about`: the row's primary key, as a text with its model."""
    return secrets_at_rest.encrypt(header.encode(), purpose=_PURPOSE, about=str(about)) if header else b""


def opened(sealed_header: bytes | memoryview, about: object) -> str:
    """Raises `WrongKeyError`."""
    stored = bytes(sealed_header)
    return secrets_at_rest.decrypt(stored, purpose=_PURPOSE, about=str(about)).decode() if stored else ""


def set_authorization(row: SignalReceiver | SignalStream, header: str) -> None:
    """Saves nothing."""
    if isinstance(row, SignalReceiver):
        row.push_authorization = sealed(header, f"receiver {row.name}")
    else:
        row.authorization = sealed(header, f"stream {row.pk}")


def authorization(row: SignalReceiver | SignalStream) -> str:
    """Raises `WrongKeyError`."""
    if isinstance(row, SignalReceiver):
        return opened(row.push_authorization, f"receiver {row.name}")
    return opened(row.authorization, f"stream {row.pk}")


AT_REST = AtRest(
    SignalStream,
    "authorization",
    lambda row: (
        secrets_at_rest.moved(bytes(row.authorization), purpose=_PURPOSE, about=f"stream {row.pk}")
        if row.authorization
        else None
    ),
)
RECEIVERS_AT_REST = AtRest(
    SignalReceiver,
    "push_authorization",
    lambda row: (
        secrets_at_rest.moved(bytes(row.push_authorization), purpose=_PURPOSE, about=f"receiver {row.name}")
        if row.push_authorization
        else None
    ),
)


def is_pushable(url: str) -> bool:
    """Whether this server pushes to such a URL: https, or a pair of GATEHOUSE_OUTBOUND_ALLOWED_HOSTS."""
    return outbound.is_fetchable(url, Role.SIGNALS)


def post(url: str, header: str, token: str) -> None:
    """Deliver one SET. Raises `OutboundError` unless the answer is 2xx.

    RFC 8935 §2.2 has receivers answer 202; some answer another 2xx, which says no less.
    """
    headers: Mapping[str, str] = {"Content-Type": MEDIA_TYPE, "Accept": "application/json"}
    # > If present, the Transmitter MUST provide this value with every HTTP request to the `endpoint_url`. (SSF 1.0
    # > §6.1.1)
    if header:
        headers = {**headers, "Authorization": header}
    try:
        outbound.fetch(Role.SIGNALS, url, headers=headers, body=token.encode())
    except OutboundError as error:
        # What else it says is not read.
        if error.cause not in {Cause.TOO_LARGE, Cause.ENCODING}:
            raise


def is_refusal(failure: Exception) -> bool:
    """Whether the receiver has read this event and does not take it (RFC 8935 §2.3: 400), so that the next one may fare
    better."""
    return isinstance(failure, OutboundError) and failure.cause is Cause.STATUS and failure.status == 400


def in_words(failure: Exception) -> str:
    if isinstance(failure, WrongKeyError):
        return "Its authorization header cannot be read: it was encrypted under another GATEHOUSE_SECRET_KEY."
    if isinstance(failure, OAuthError):
        return "There is no key that may sign."
    if not isinstance(failure, OutboundError):
        return f"It cannot be sent: {type(failure).__name__}."
    status = f" (HTTP {failure.status})" if failure.status else ""
    return f"{failure.cause.sentence}{status}"
