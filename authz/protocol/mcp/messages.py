"""One JSON-RPC message in, or the error that answers it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from authz.protocol import strict_json
from authz.protocol.strict_json import StrictJsonError

LONGEST_ID = 255


class RpcCode(IntEnum):
    """The codes that this server answers with; the last three are MCP's own (2026-07-28, “Error Codes”)."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    HEADER_MISMATCH = -32020
    MISSING_CAPABILITY = -32021
    UNSUPPORTED_VERSION = -32022


# > If the server does not implement the requested RPC method, it MUST respond with 404 Not Found (Streamable HTTP)
_STATUS = {RpcCode.METHOD_NOT_FOUND: 404}


class RpcError(Exception):
    """A JSON-RPC error. `data` adds to it; `status` is its HTTP status for clients of modern revisions."""

    def __init__(self, code: RpcCode, message: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    @property
    def status(self) -> int:
        return _STATUS.get(self.code, 400)

    def body(self) -> dict[str, Any]:
        """The `error` member."""
        return {"code": int(self.code), "message": self.message, **({"data": dict(self.data)} if self.data else {})}


@dataclass(frozen=True, slots=True)
class RpcMessage:
    """A request, or a notification (`id` None)."""

    id: str | int | None
    method: str
    params: Mapping[str, Any]

    @property
    def meta(self) -> Mapping[str, Any]:
        found = self.params.get("_meta", {})
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True, slots=True)
class RpcResponse:
    """A client's answer to a request of the server: `body` has `result` or `error`, which may be anything."""

    id: str | int
    body: Mapping[str, Any]


def read_response(raw: bytes) -> RpcResponse | None:
    """The response that `raw` is; None for any other message, and for what cannot be read (`read` says why)."""
    try:
        found = strict_json.read_object(raw)
        identifier = _id_of(found)
    except (StrictJsonError, RpcError):
        return None
    is_response = found.get("jsonrpc") == "2.0" and ("result" in found) != ("error" in found) and "method" not in found
    return RpcResponse(identifier, found) if is_response and identifier is not None else None


def read(raw: bytes) -> RpcMessage:
    """The message that `raw` is. Raises `RpcError`.

    > The body of the HTTP POST MUST be a single JSON-RPC request or notification. The client MUST NOT send JSON-RPC
    > responses. (2026-07-28, Streamable HTTP)
    """
    try:
        found = strict_json.read_exactly(raw)
    except StrictJsonError as error:
        is_batch = error.problem is strict_json.Problem.NOT_AN_OBJECT
        code = RpcCode.INVALID_REQUEST if is_batch else RpcCode.PARSE_ERROR
        raise RpcError(code, f"Send one JSON-RPC message. {error.sentence}") from None
    if found.get("jsonrpc") != "2.0":
        raise RpcError(RpcCode.INVALID_REQUEST, "jsonrpc is “2.0”.")
    method, params = found.get("method"), found.get("params", {})
    if not isinstance(method, str) or not method:
        raise RpcError(RpcCode.INVALID_REQUEST, "method is a text; responses are not taken here.")
    if not isinstance(params, dict):
        raise RpcError(RpcCode.INVALID_PARAMS, "params is an object.")
    return RpcMessage(_id_of(found), method, params)


def _id_of(found: Mapping[str, Any]) -> str | int | None:
    """> Requests MUST include a string or integer ID. Unlike base JSON-RPC, the ID MUST NOT be null."""
    if "id" not in found:
        return None
    given: object = found["id"]
    if isinstance(given, bool) or not isinstance(given, str | int) or len(str(given)) > LONGEST_ID:
        raise RpcError(RpcCode.INVALID_REQUEST, f"id is an integer, or a text of at most {LONGEST_ID} characters.")
    return given
