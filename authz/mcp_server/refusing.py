"""Refusals on the way to a tool: recorded at a bounded rate, and answered in HTTP (RFC 6750 §3, RFC 9728 §5.1).

The body is a JSON-RPC error, which clients show to their people; what OAuth says is in WWW-Authenticate, and in `data`.

> If the server cannot accept it, it MUST return an HTTP error status code […] The HTTP response body MAY comprise a
> JSON-RPC error response that has no `id`. (2026-07-28, Streamable HTTP)
"""

from collections.abc import Mapping

from authz import audit, dpop
from authz.conf import conf
from authz.configuration.mcp_resource import USUAL_SCOPES
from authz.endpoints.machine import Answer, json_response
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.mcp_server.events import McpEvent
from authz.mcp_server.reasons import McpReason
from authz.protocol.errors import OAuthError, RefusalReason

# > New error codes for purposes not defined by this specification SHOULD be allocated outside the JSON-RPC reserved
# > range (2026-07-28, “Error Codes”)
REFUSED, WAIT = 1002, 1003
_STATUS = {
    McpReason.CREDENTIALS_UNKNOWN: 400,
    McpReason.SCOPE_INSUFFICIENT: 403,
    McpReason.ROLE_INSUFFICIENT: 403,
    McpReason.ORIGIN_FOREIGN: 403,
    McpReason.STREAMS_TAKEN: 429,
    # > it MUST respond to requests containing that session ID with HTTP 404 Not Found (2025-11-25, Transports)
    McpReason.SESSION_OF_ANOTHER: 404,
    McpReason.SAMPLING_UNEXPECTED: 400,
    McpReason.SAMPLING_OF_ANOTHER: 400,
}
# What a token, or another one, would help against.
_CHALLENGED = frozenset(McpReason) - {
    McpReason.ROLE_INSUFFICIENT,
    McpReason.ORIGIN_FOREIGN,
    McpReason.TASK_OF_ANOTHER,
    McpReason.STREAMS_TAKEN,
    McpReason.SESSION_OF_ANOTHER,
    McpReason.SAMPLING_UNEXPECTED,
    McpReason.SAMPLING_OF_ANOTHER,
    McpReason.SAMPLING_TOOL,
}


class Refused(Exception):
    """A refusal that is recorded already. Carries the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def metadata_path() -> str:
    """> inserting the well-known URI string […] between the host component and the path (RFC 9728 §3.1)"""
    return f".well-known/oauth-protected-resource{conf.issuer_path}/mcp"


def challenge(error: str = "", scope: str = "", *, is_bound: bool = False) -> str:
    """The WWW-Authenticate header's value. `is_bound`: only tokens that are bound to a key are accepted."""
    wanted = scope or ("" if error else " ".join(USUAL_SCOPES))
    parts = {"resource_metadata": f"{conf.origin}/{metadata_path()}", "error": error, "scope": wanted}
    if is_bound:
        return dpop.challenge(**parts)
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items() if value)


def refuse(
    reason: McpReason, *, detail: str = "", client_id: str = "", scope: str = "", is_bound: bool = False
) -> Refused:
    """Record a refusal, and return what to answer: 503 where it cannot be recorded."""
    try:
        record(reason, detail=detail, client_id=client_id)
    except UnrecordedError as unrecorded:
        return Refused(too_busy(unrecorded))
    # > If the request lacks any authentication information […], the resource server SHOULD NOT include an error code or
    # > other error information. (RFC 6750 §3.1)
    error = "" if reason is McpReason.UNAUTHENTICATED else reason.code
    headers = {"WWW-Authenticate": challenge(error, scope, is_bound=is_bound)} if reason in _CHALLENGED else {}
    return Refused(_answer(_STATUS.get(reason, 401), reason.code, reason.sentence, headers))


def refuse_proof(error: OAuthError, *, client_id: str) -> Refused:
    """Record that a token came without the key that it is bound to, and return what to answer (RFC 9449 §7.1, §9)."""
    try:
        record(error.reason, detail=error.detail, client_id=client_id)
    except UnrecordedError as unrecorded:
        return Refused(too_busy(unrecorded))
    headers = dpop.refusal_headers(error, resource_metadata=f"{conf.origin}/{metadata_path()}")
    return Refused(_answer(401, error.code, error.sentence, headers))


def record(reason: RefusalReason, *, detail: str = "", client_id: str = "") -> None:
    """Record a refusal that is answered otherwise. Raises `UnrecordedError`."""
    error = OAuthError(reason, detail=detail)
    record_unauthenticated(McpEvent.REFUSED, error, client_id=client_id or audit.current_origin().proven_client_id)


def too_busy(error: OAuthError) -> Answer:
    """The answer to a sender that has to wait."""
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    told = f"{error.sentence} Try again in {error.retry_after} seconds." if error.retry_after else error.sentence
    return _answer(error.status, error.code, told, headers, code=WAIT)


def _answer(status: int, error: str, sentence: str, headers: Mapping[str, str], *, code: int = REFUSED) -> Answer:
    body = {"jsonrpc": "2.0", "error": {"code": code, "message": sentence, "data": {"error": error}}}
    return json_response(body, status=status, headers=headers)
