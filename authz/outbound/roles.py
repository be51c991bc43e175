"""What this server asks other servers for, within which limits, and why nothing came back."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from authz.protocol.sentences import WithSentence


class Cause(WithSentence):
    """Why nothing came back. For administrators only: the client is told one sentence that does not depend on it."""

    URL = "url", "The URL is not one that this server fetches (https, a plain host name, no user name, no fragment)."
    DNS = "dns", "The host name could not be resolved."
    ADDRESS_FORBIDDEN = "address_forbidden", "The host has an address that is not on the public Internet."
    CONNECT = "connect", "The host did not accept a connection."
    TLS = "tls", "No trusted TLS connection could be made (certificate, name or protocol)."
    TIMEOUT = "timeout", "The answer did not arrive in time."
    PROTOCOL = "protocol", "The host did not answer in well-formed HTTP."
    REDIRECT = "redirect", "The host answered with a redirect, which is never followed."
    STATUS = "status", "The host answered with a status other than 200."
    CONTENT_TYPE = "content_type", "The answer has the wrong content type."
    ENCODING = "encoding", "The answer is compressed, although it was asked not to be."
    ABANDONED = "abandoned", "No request waits for the answer any more."
    BUSY = "busy", "Too many requests of this server wait for other servers already."
    TOO_LARGE = "too_large", "The answer is too large."
    REFUSED = "refused", "The mail server does not deliver to this address."


class OutboundError(Exception):
    """Nothing usable came back. `status` is the HTTP status where there was one; `detail` never holds a body.

    `challenge` is the `WWW-Authenticate` of an answer with another status than 200.
    """

    def __init__(self, cause: Cause, *, status: int | None = None, detail: str = "", challenge: str = "") -> None:
        super().__init__(cause.value)
        self.challenge = challenge
        self.cause = cause
        self.status = status
        self.detail = detail

    @property
    def is_down(self) -> bool:
        """Whether the host does not answer, and may come back with the same: any other failure is an answer.

        > stale-if-error … 500, 502, 503, or 504 (RFC 5861 §4)
        """
        return self.cause in _DOWN or (self.cause is Cause.STATUS and self.status in {429, 500, 502, 503, 504})


_DOWN = frozenset({Cause.DNS, Cause.CONNECT, Cause.TLS, Cause.TIMEOUT, Cause.PROTOCOL})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a role may receive: bytes, media types (a regular expression of the whole), and seconds for everything."""

    max_bytes: int
    accept: str
    media_type: str
    seconds: float


_JSON = r"application/(?:json|[a-z0-9!#$&^_.+\-]+\+json)"


class Role(StrEnum):
    """What a request is for: the list of all that the server ever asks other servers for."""

    limits: Limits

    def __new__(cls, value: str, limits: Limits) -> "Role":
        member = str.__new__(cls, value)
        member._value_ = value
        member.limits = limits
        return member

    # > The recommended maximum response size for client metadata documents is 5 kilobytes. (CIMD §6.6)
    CLIENT_METADATA_DOCUMENT = (
        "client_metadata_document",
        Limits(5 * 1024, "application/json, application/*+json;q=0.9", _JSON, 5.0),
    )
    CLIENT_LOGO = (
        "client_logo",
        Limits(256 * 1024, "image/png, image/jpeg, image/webp, image/gif", r"image/(?:png|jpeg|webp|gif)", 3.0),
    )
    CLIENT_KEYS = "client_keys", Limits(64 * 1024, "application/jwk-set+json, application/json", _JSON, 5.0)
    ISSUER_METADATA = "issuer_metadata", Limits(64 * 1024, "application/json", _JSON, 5.0)
    ISSUER_KEYS = "issuer_keys", Limits(256 * 1024, "application/jwk-set+json, application/json", _JSON, 5.0)
    ISSUER_SIGN_IN = "issuer_sign_in", Limits(64 * 1024, "application/json", _JSON, 5.0)
    SIGNAL_TRANSMITTER = "signal_transmitter", Limits(64 * 1024, "application/json", f"(?:{_JSON})?", 5.0)
    SIGNAL_POLL = "signal_poll", Limits(1024 * 1024, "application/json", f"(?:{_JSON})?", 5.0)
    RESOURCE_METADATA = "resource_metadata", Limits(64 * 1024, "application/json", _JSON, 5.0)
    RESOURCE_PROBE = "resource_probe", Limits(64 * 1024, "application/json, text/event-stream", r".*", 5.0)
    TRACES = "traces", Limits(64 * 1024, "application/x-protobuf, application/json", r".*", 5.0)
    WEBHOOK = "webhook", Limits(4 * 1024, "*/*", r".*", 5.0)
    SIGNALS = "signals", Limits(4 * 1024, "application/json", r".*", 5.0)
    AUDIT_COLLECTOR = "audit_collector", Limits(64 * 1024, "*/*", r".*", 10.0)
    AUDIT_SYSLOG = "audit_syslog", Limits(0, "", "", 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """`headers` have lower-case names, repeated ones joined by a comma; `elapsed` is in seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    address: str
    elapsed: float
