"""The one door out (law 6): every request that this server makes to somebody else goes through `fetch`, every
notification by mail through `mail`, and what is told to a syslog server over TLS through `deliver`.

https only; the name is resolved once, every address it has is checked, and the connection goes to a checked address,
while SNI, certificate and Host stay the name's. No redirects, no proxies, no environment, no compression. Size and time
are capped by the role of the call: one deadline covers resolving, connecting, TLS, headers, body and close
(authz/outbound/deadlines.py), for mail and syslog as well. It fails closed.

> Authorization servers MUST validate that the Client ID Metadata Document URL does not resolve to special-use IP
> addresses as defined in RFC 6890 (draft-ietf-oauth-client-id-metadata-document §6.5)

`GATEHOUSE_OUTBOUND_ALLOWED_HOSTS` names host:port pairs that may have private addresses, and plain http on loopback,
for the roles that each entry serves (authz/protocol/allowed_hosts.py).
"""

import http.client
import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from queue import Empty, SimpleQueue
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from django.core.mail import send_mail
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from authz.conf import conf
from authz.database.concurrency import may_block
from authz.database.transactions import in_unit_of_work
from authz.outbound.deadlines import BoundedReader, Deadline, TooMuchError
from authz.protocol.redirect_uris import is_host
from authz.telemetry import metrics, tracing


class Cause(StrEnum):
    """Why nothing came back. For administrators only: a stranger learns nothing of it (the wire says one sentence)."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> "Cause":
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

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
    ABANDONED = "abandoned", "Everybody who waited for the answer has left."
    BUSY = "busy", "Too many requests of this server wait for other servers already."
    TOO_LARGE = "too_large", "The answer is too large."
    REFUSED = "refused", "The mail server does not deliver to this address."


class OutboundError(Exception):
    """Nothing usable came back. `status` is the HTTP status where there was one; `detail` never holds a body."""

    def __init__(self, cause: Cause, *, status: int | None = None, detail: str = "") -> None:
        super().__init__(cause.value)
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


CONNECT_SECONDS = 2.0
# Bytes of an answer that are no body: its head, chunk sizes, trailers.
MAX_FRAMING = 128 * 1024
_JSON = r"application/(?:json|[a-z0-9!#$&^_.+\-]+\+json)"


class Role(StrEnum):
    """What a call is for. There is no other way out, so this is the list of what the server ever fetches."""

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
    RESOURCE_METADATA = "resource_metadata", Limits(64 * 1024, "application/json", _JSON, 5.0)
    TRACES = "traces", Limits(64 * 1024, "application/x-protobuf, application/json", r".*", 5.0)
    WEBHOOK = "webhook", Limits(4 * 1024, "*/*", r".*", 5.0)
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


def is_fetchable(url: str, role: Role) -> bool:
    """Whether `fetch` would try it for this role: https, or a pair that is allow-listed for it. Its addresses are
    checked at each call.
    """
    try:
        _parse(url, role)
    except OutboundError:
        return False
    return True


def mail(recipient: str, subject: str, body: str) -> None:
    """Hand one mail to the mail server of the settings (`EMAIL_URL`). Raises `OutboundError`, as `fetch` does."""
    if in_unit_of_work():
        raise RuntimeError("no network inside unit_of_work() (law 2)")
    try:
        send_mail(subject, body, None, [recipient])
    except SMTPRecipientsRefused as error:
        raise OutboundError(Cause.REFUSED, detail=_smtp_code(error.recipients.get(recipient))) from error
    except SMTPResponseException as error:
        raise OutboundError(Cause.PROTOCOL, detail=str(error.smtp_code)) from error
    except TimeoutError as error:
        raise OutboundError(Cause.TIMEOUT) from error
    except ssl.SSLError as error:
        raise OutboundError(Cause.TLS) from error
    except (SMTPException, OSError) as error:
        raise OutboundError(Cause.CONNECT) from error
    except ValueError as error:  # an address that is none
        raise OutboundError(Cause.REFUSED) from error


def _smtp_code(answer: tuple[int, bytes] | None) -> str:
    return str(answer[0]) if answer else ""


def operators_connection(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A connection to the mail server of the settings. Raises OSError.

    It is the operator's word, not a stranger's, so its address may be private.
    """
    try:
        return _connected(_addresses(host, port, deadline), port, deadline)
    except OutboundError as error:
        raise (TimeoutError if error.cause is Cause.TIMEOUT else ConnectionError)(error.cause.sentence) from error


def fetch(role: Role, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Response:
    """GET `url` (POST if there is a `body`) and return its 200 response, or the 304 that `headers` asked for.

    Raises `OutboundError` for everything else, and RuntimeError inside `unit_of_work()`: no network while a
    transaction is open (law 2).
    """
    if in_unit_of_work():
        raise RuntimeError("no network inside unit_of_work() (law 2)")
    if not may_block(urlsplit(url).netloc):
        raise OutboundError(Cause.BUSY)
    began, outcome = time.perf_counter(), "error"
    try:
        # Sending spans makes none, or it would never end.
        with tracing.span(f"fetch {role.value}") if role is not Role.TRACES else nullcontext():
            response = _fetch(role, url, headers or {}, body)
        outcome = "not_modified" if response.status == 304 else "ok"
        return response
    except OutboundError as error:
        outcome = error.cause.value
        raise
    finally:
        metrics.FETCHES.add(role.value, outcome)
        metrics.FETCH_SECONDS.observe(time.perf_counter() - began, role.value)


def _fetch(role: Role, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
    target = _parse(url, role)
    with Deadline(role.limits.seconds) as deadline:
        addresses = _checked(target, _resolve(target, deadline))
        request = _prepare(target, role.limits, headers, body)
        for attempt, address in enumerate(addresses, start=1):
            try:
                return _exchange(request, role.limits, _PinnedAdapter(target, address, deadline, role.limits))
            except OutboundError as error:
                # Only a host that cannot be reached is tried at its next address; an answer is an answer.
                if error.cause is not Cause.CONNECT or attempt == len(addresses):
                    raise
    raise OutboundError(Cause.DNS)


def deliver(role: Role, host: str, port: int, payload: bytes) -> None:
    """Write `payload` to a TLS connection of its own, and wait until the other side has closed it in order.

    There is no answer in such a protocol. That the other side closes after us is the most it ever says: it has read
    everything before. Raises `OutboundError`, and RuntimeError inside `unit_of_work()` (law 2).
    """
    if in_unit_of_work():
        raise RuntimeError("no network inside unit_of_work() (law 2)")
    may_block()
    began, outcome = time.perf_counter(), "error"
    try:
        _deliver(role, host, port, payload)
        outcome = "ok"
    except OutboundError as error:
        outcome = error.cause.value
        raise
    finally:
        metrics.FETCHES.add(role.value, outcome)
        metrics.FETCH_SECONDS.observe(time.perf_counter() - began, role.value)


def _deliver(role: Role, host: str, port: int, payload: bytes) -> None:
    target = _parse(f"https://{host}:{port}", role)
    context = ssl.create_default_context(cafile=conf.outbound_ca_bundle or requests.utils.DEFAULT_CA_BUNDLE_PATH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with Deadline(role.limits.seconds) as deadline:
        addresses = _checked(target, _resolve(target, deadline))
        try:
            with (
                _connected(addresses, target.port, deadline) as sock,
                context.wrap_socket(sock, server_hostname=target.host.strip("[]")) as tls,
            ):
                tls.settimeout(deadline.left())
                tls.sendall(payload)
                tls.settimeout(deadline.left())
                _close_in_order(tls)
                deadline.check()  # a close that the watchdog made is none of theirs
        except OSError as error:
            raise OutboundError(_cause_of_socket(error, deadline)) from error


def _cause_of_socket(error: OSError, deadline: Deadline) -> Cause:
    if (ended := _ended(deadline)) is not None:
        return ended
    if isinstance(error, TimeoutError):
        return Cause.TIMEOUT
    return Cause.TLS if isinstance(error, ssl.SSLError) else Cause.PROTOCOL


def _connected(addresses: list[str], port: int, deadline: Deadline) -> socket.socket:
    """A connection to the first address that takes one, which ends with the deadline."""
    for address in addresses:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            # One address that swallows packets must not take the time of the others.
            sock.settimeout(deadline.left(CONNECT_SECONDS))
            sock.connect((address, port))
            deadline.hold(sock)
            sock.settimeout(deadline.left())
        except OSError:
            sock.close()
            deadline.check()
        else:
            return sock
    raise OutboundError(Cause.CONNECT)


def _close_in_order(tls: ssl.SSLSocket) -> None:
    # > Once the transport receiver gets a close_notify from the transport sender, it MUST reply with a close_notify
    # > (RFC 5425 §4.4)
    try:
        tls.unwrap().close()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return  # it closed the connection instead, which a kernel that still held unread bytes would have reset


# --- The URL and its addresses ----------------------------------------------------------------------------------------

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._\-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?]*)?(?P<query>\?.*)?"
)
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]{1,2048}")


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    scheme: str
    host: str
    port: int
    is_allow_listed: bool  # for the role that it is asked for


def _parse(url: str, role: Role) -> _Target:
    """One strict reading of the URL, so that no two parsers can disagree about its host."""
    parts = _URL.fullmatch(url) if _CHARACTERS.fullmatch(url) else None
    # A trailing dot, a decimal or an octal address is a name that only some would read as an address.
    if parts is None or not is_host(parts["host"]):
        raise OutboundError(Cause.URL)
    port = int(parts["port"] or (443 if parts["scheme"] == "https" else 80))
    host = parts["host"].lower()
    roles = conf.outbound_allowed_hosts.get((host.strip("[]"), port), frozenset())
    is_allow_listed = roles is None or role.value in roles
    target = _Target(url, parts["scheme"], host, port, is_allow_listed)
    if not 0 < port <= 65535 or (target.scheme != "https" and not target.is_allow_listed):
        raise OutboundError(Cause.URL)
    return target


# A resolver cannot be interrupted, so it runs beside us; a hanging one must not eat threads without limit.
_resolvers = threading.BoundedSemaphore(64)


def _resolve(target: _Target, deadline: Deadline) -> list[str]:
    return _addresses(target.host.strip("[]"), target.port, deadline)


def _addresses(host: str, port: int, deadline: Deadline) -> list[str]:
    """Every address of the host, resolved once."""
    if not _resolvers.acquire(timeout=deadline.left()):
        raise OutboundError(Cause.TIMEOUT, detail="resolving")
    answers: SimpleQueue[list[str] | None] = SimpleQueue()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except (OSError, UnicodeError):
            answers.put(None)
        finally:
            _resolvers.release()

    threading.Thread(target=resolve, name="resolve", daemon=True).start()
    try:
        addresses = answers.get(timeout=deadline.left())
    except Empty:
        raise OutboundError(Cause.TIMEOUT, detail="resolving") from None
    if not addresses:
        raise OutboundError(Cause.DNS)
    return addresses


def _checked(target: _Target, addresses: list[str]) -> list[str]:
    """The addresses, if all of them may be connected to: one forbidden among many is a rebinding attack."""
    for text in addresses:
        address = ip_address(text)
        allowed = is_public(address) if not target.is_allow_listed else target.scheme == "https" or address.is_loopback
        if not allowed:
            raise OutboundError(Cause.ADDRESS_FORBIDDEN, detail=text)
    return addresses[:4]


_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Global unicast by number, but not public: Teredo and other IETF protocol assignments, documentation, 6to4.
_SPECIAL_V6 = (
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),
    IPv6Network("3fff::/20"),
)
_SPECIAL_V4 = (
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments, of which Python knows only a part
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("168.63.129.16/32"),  # Azure's wire server, which every virtual machine there can reach
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is on the public Internet (RFC 6890), also when it is an IPv4 address inside an IPv6 one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(address.packed[-4:]))
        # Python counts site-local and unassigned space as global; global unicast is 2000::/3 and nothing else.
        return address in _GLOBAL_UNICAST and not any(address in network for network in _SPECIAL_V6)
    return address.is_global and not address.is_multicast and not any(address in network for network in _SPECIAL_V4)


# --- The exchange -----------------------------------------------------------------------------------------------------


def _prepare(
    target: _Target, limits: Limits, headers: Mapping[str, str], body: bytes | None
) -> requests.PreparedRequest:
    request = requests.Request(
        "GET" if body is None else "POST",
        target.url,
        headers={
            "Accept": limits.accept,
            "Accept-Encoding": "identity",
            "User-Agent": "Gatehouse",
            "Connection": "close",
            **headers,
        },
        data=body,
    ).prepare()
    request.url = target.url  # byte for byte; requests would tidy it up
    return request


def _exchange(request: requests.PreparedRequest, limits: Limits, adapter: "_PinnedAdapter") -> Response:
    deadline, ends = adapter.deadline, ExitStack()
    ends.callback(adapter.close)
    try:
        timeout, verify = deadline.left(), conf.outbound_ca_bundle or True
        reply = ends.enter_context(adapter.send(request, stream=True, timeout=timeout, verify=verify))
        received = {name.lower(): value for name, value in reply.headers.items()}
        if reply.status_code != 304:
            _check_head(limits, reply.status_code, received, is_answer=request.method == "GET")
        elif not _is_conditional(request):
            # Nobody asked whether it changed: an unsolicited 304 would confirm what we never had (attack 9).
            raise OutboundError(Cause.STATUS, status=304)
        body = b"" if reply.status_code == 304 else _read(reply.raw, limits.max_bytes)
        elapsed = limits.seconds - deadline.left()
        return Response(status=reply.status_code, headers=received, body=body, address=adapter.address, elapsed=elapsed)
    except TooMuchError:
        raise OutboundError(Cause.TOO_LARGE) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise OutboundError(_ended(deadline) or _cause(error)) from error
    finally:
        ends.close()


def _check_head(limits: Limits, status: int, headers: Mapping[str, str], *, is_answer: bool) -> None:
    # > The authorization server MUST NOT automatically follow HTTP redirects (CIMD §4)
    if 300 <= status < 400:
        raise OutboundError(Cause.REDIRECT, status=status)
    # > A successful response MUST use the 200 OK HTTP status code. (CIMD §4)
    if status != 200 and (is_answer or not 200 <= status < 300):
        raise OutboundError(Cause.STATUS, status=status)
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise OutboundError(Cause.ENCODING, status=status)
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not re.fullmatch(limits.media_type, media_type):
        raise OutboundError(Cause.CONTENT_TYPE, status=status, detail=media_type[:80])
    length = headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and int(length[:20]) > limits.max_bytes:
        raise OutboundError(Cause.TOO_LARGE, status=status)


def _read(raw: urllib3.response.BaseHTTPResponse, max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in raw.stream(4096, decode_content=False):
        body += chunk
        if len(body) > max_bytes:
            raise OutboundError(Cause.TOO_LARGE)
    return bytes(body)


def _is_conditional(request: requests.PreparedRequest) -> bool:
    return "If-None-Match" in request.headers or "If-Modified-Since" in request.headers


def _ended(deadline: Deadline) -> Cause | None:
    """Why we ended the exchange; None if we did not."""
    if deadline.is_abandoned:
        return Cause.ABANDONED
    return Cause.TIMEOUT if deadline.is_over else None


def _cause(error: Exception) -> Cause:
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return Cause.TLS
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return Cause.TIMEOUT
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return Cause.CONNECT
    return Cause.PROTOCOL


class _PinnedAdapter(HTTPAdapter):
    """A transport whose one connection goes to a given address, while everything else is the name's."""

    def __init__(self, target: _Target, address: str, deadline: Deadline, limits: Limits) -> None:
        super().__init__(max_retries=0)
        self.address = address
        self.deadline = deadline
        self.connections: list[_PinnedHTTPConnection | _PinnedHTTPSConnection] = []
        is_https = target.scheme == "https"
        self.pool = (HTTPSConnectionPool if is_https else HTTPConnectionPool)(target.host, target.port)
        pinned = _PinnedHTTPSConnection if is_https else _PinnedHTTPConnection

        def answer(sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
            return _BoundedAnswer(sock, deadline, 2 * limits.max_bytes + MAX_FRAMING, *args, **kwargs)

        def connection(*args: Any, **kwargs: Any) -> HTTPConnection:
            made = pinned(*args, **kwargs)
            made.adapter = self
            made.response_class = answer  # type: ignore[assignment]  # a factory is all that http.client needs
            self.connections.append(made)
            return made

        self.pool.ConnectionCls = connection  # type: ignore[assignment]  # a factory is all that the pool needs

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self.pool

    def connect(self, connection: HTTPConnection) -> socket.socket:
        try:
            return _connected([self.address], connection.port, self.deadline)
        except OutboundError as error:
            raise urllib3.exceptions.NewConnectionError(connection, "no connection") from error

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        self.pool.close()
        super().close()


class _BoundedAnswer(http.client.HTTPResponse):
    """Reads status lines, headers, chunk sizes, body and trailers through one bound of bytes and one of time."""

    def __init__(self, sock: socket.socket, deadline: Deadline, most: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(BoundedReader(self.fp.detach(), deadline, most))


class _PinnedHTTPConnection(HTTPConnection):
    adapter: _PinnedAdapter

    def _new_conn(self) -> socket.socket:
        return self.adapter.connect(self)


class _PinnedHTTPSConnection(HTTPSConnection):
    adapter: _PinnedAdapter

    def _new_conn(self) -> socket.socket:
        return self.adapter.connect(self)
