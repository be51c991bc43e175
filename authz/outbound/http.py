"""HTTP requests to other servers.

https only. No redirects, no proxies, no environment, no compression. Size and time are capped by the role of the call:
one deadline covers resolving, connecting, TLS, headers, body and close.
"""

import re
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from urllib.parse import urlsplit

import requests
import urllib3

from authz.conf import conf
from authz.database.concurrency import may_block
from authz.database.transactions import require_no_transaction
from authz.outbound.deadlines import Deadline, TooMuchError
from authz.outbound.destinations import Target, checked_addresses, parse
from authz.outbound.measured import measured
from authz.outbound.pinned_connection import PinnedAdapter, ended
from authz.outbound.roles import Cause, Limits, OutboundError, Response, Role
from authz.telemetry import tracing


def fetch(
    role: Role,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    method: str = "",
) -> Response:
    """GET `url` (POST if there is a `body`) and return its 200 response, or the 304 that `headers` asked for. Of other
    methods than GET, any 2xx.

    Raises `OutboundError` for everything else, and RuntimeError while a transaction is open.
    """
    require_no_transaction()
    if not may_block(urlsplit(url).netloc):
        raise OutboundError(Cause.BUSY)
    # The export of spans makes no span of its own: it would never end.
    span = tracing.span(f"fetch {role.value}") if role is not Role.TRACES else nullcontext()
    with measured(role) as outcome, span:
        response = _fetch(role, url, headers or {}, body, method or ("GET" if body is None else "POST"))
        outcome.name = "not_modified" if response.status == 304 else "ok"
    return response


def _fetch(role: Role, url: str, headers: Mapping[str, str], body: bytes | None, method: str) -> Response:
    target = parse(url, role)
    with Deadline(role.limits.seconds) as deadline:
        addresses = checked_addresses(target, deadline)
        request = _prepare(target, role.limits, headers, body, method)
        for attempt, address in enumerate(addresses, start=1):
            try:
                return _exchange(request, role.limits, PinnedAdapter(target, address, deadline, role.limits))
            except OutboundError as error:
                # Only a host that cannot be reached is tried at its next address; an answer is an answer.
                if error.cause is not Cause.CONNECT or attempt == len(addresses):
                    raise
    raise OutboundError(Cause.DNS)


def _prepare(
    target: Target, limits: Limits, headers: Mapping[str, str], body: bytes | None, method: str
) -> requests.PreparedRequest:
    request = requests.Request(
        method,
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


def _exchange(request: requests.PreparedRequest, limits: Limits, adapter: "PinnedAdapter") -> Response:
    deadline, ends = adapter.deadline, ExitStack()
    ends.callback(adapter.close)
    try:
        timeout, verify = deadline.left(), conf.outbound_ca_bundle or True
        reply = ends.enter_context(adapter.send(request, stream=True, timeout=timeout, verify=verify))
        received = {name.lower(): value for name, value in reply.headers.items()}
        if reply.status_code != 304:
            _check_head(limits, reply.status_code, received, is_answer=request.method == "GET")
        elif not _is_conditional(request):
            # The request had no condition: an unsolicited 304 would confirm what was never held (attack 9).
            raise OutboundError(Cause.STATUS, status=304)
        body = b"" if reply.status_code == 304 else _read(reply.raw, limits.max_bytes)
        elapsed = limits.seconds - deadline.left()
        return Response(status=reply.status_code, headers=received, body=body, address=adapter.address, elapsed=elapsed)
    except TooMuchError:
        raise OutboundError(Cause.TOO_LARGE) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise OutboundError(ended(deadline) or _cause(error)) from error
    finally:
        ends.close()


def _check_head(limits: Limits, status: int, headers: Mapping[str, str], *, is_answer: bool) -> None:
    # > The authorization server MUST NOT automatically follow HTTP redirects (CIMD §4)
    if 300 <= status < 400:
        raise OutboundError(Cause.REDIRECT, status=status)
    # > A successful response MUST use the 200 OK HTTP status code. (CIMD §4)
    if status != 200 and (is_answer or not 200 <= status < 300):
        raise OutboundError(Cause.STATUS, status=status, challenge=headers.get("www-authenticate", "")[:2000])
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


def _cause(error: Exception) -> Cause:
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return Cause.TLS
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return Cause.TIMEOUT
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return Cause.CONNECT
    return Cause.PROTOCOL
