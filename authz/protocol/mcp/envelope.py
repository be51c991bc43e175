"""What a request says of its revision and of its client, in headers and body, which have to agree."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from authz.protocol.mcp.messages import RpcCode, RpcError, RpcMessage

MODERN = ("2026-07-28",)
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26")
# > if the server does not receive an MCP-Protocol-Version header, and has no other way to identify the version […] the
# > server SHOULD assume protocol version 2025-03-26 (2025-11-25, Transports)
_UNSAID = "2025-03-26"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
# Which parameter `Mcp-Name` repeats (Streamable HTTP, “Standard Request Headers”; Tasks, “Routing Headers”).
_NAMED = {
    "tools/call": "name",
    "resources/read": "uri",
    "prompts/get": "name",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
_BEGIN, _END = "=?base64?", "?="


@dataclass(frozen=True, slots=True)
class Headers:
    """The request's MCP headers; None where there is none."""

    version: str | None = None
    method: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """`capabilities` are what the client said in this very request; of legacy clients none are known."""

    version: str
    is_modern: bool
    capabilities: Mapping[str, Any] = field(default_factory=dict)

    def has_extension(self, identifier: str) -> bool:
        found = self.capabilities.get("extensions")
        return isinstance(found, Mapping) and isinstance(found.get(identifier), Mapping)

    def can_elicit(self, mode: str) -> bool:
        """Whether the client can ask its person in this mode, `form` or `url`.

        > For backwards compatibility, an empty capabilities object is equivalent to declaring support for form mode
        > only (2026-07-28, Elicitation)
        """
        found = self.capabilities.get("elicitation")
        if not isinstance(found, Mapping):
            return False
        return mode in found or (mode == "form" and "url" not in found)


def envelope(message: RpcMessage, headers: Headers) -> Envelope:
    """The envelope of a request. Raises `RpcError`."""
    says_itself = VERSION_KEY in message.meta
    if not says_itself and (message.method == "initialize" or headers.version in (None, *LEGACY)):
        return Envelope(headers.version or _UNSAID, is_modern=False)
    if headers.version is None:
        raise RpcError(RpcCode.HEADER_MISMATCH, "Header mismatch: MCP-Protocol-Version is missing.")
    if not says_itself and headers.version not in MODERN:
        raise unsupported(headers.version)
    # > A request missing any required field is malformed; the server MUST reject it with JSON-RPC error code -32602
    version, capabilities = message.meta.get(VERSION_KEY), message.meta.get(CAPABILITIES_KEY)
    if not isinstance(version, str):
        raise RpcError(RpcCode.INVALID_PARAMS, f"_meta has no {VERSION_KEY}.")
    if headers.version != version:
        raise RpcError(RpcCode.HEADER_MISMATCH, "Header mismatch: MCP-Protocol-Version is not what _meta says.")
    if version not in MODERN:
        raise unsupported(version)
    if not isinstance(capabilities, Mapping):
        raise RpcError(RpcCode.INVALID_PARAMS, f"_meta has no {CAPABILITIES_KEY}.")
    _check_routing(message, headers)
    return Envelope(version, is_modern=True, capabilities=capabilities)


def unsupported(version: str) -> RpcError:
    data = {"supported": [*MODERN, *LEGACY], "requested": version[:64]}
    return RpcError(RpcCode.UNSUPPORTED_VERSION, "Unsupported protocol version", data)


def _check_routing(message: RpcMessage, headers: Headers) -> None:
    """> Servers that process the request body MUST reject requests where the values specified in the headers do not
    > match the corresponding values in the request body. (Streamable HTTP, “Server Validation”)
    """
    if headers.method != message.method:
        raise RpcError(RpcCode.HEADER_MISMATCH, "Header mismatch: Mcp-Method is not the body’s method.")
    parameter = _NAMED.get(message.method)
    if parameter is not None and (headers.name is None or _decoded(headers.name) != message.params.get(parameter)):
        raise RpcError(RpcCode.HEADER_MISMATCH, f"Header mismatch: Mcp-Name is not the body’s {parameter}.")


def _decoded(value: str) -> str | None:
    """A header's value, which may be in base64; None for one that cannot be read."""
    if not (value.startswith(_BEGIN) and value.endswith(_END)):
        return value
    try:
        return base64.b64decode(value[len(_BEGIN) : -len(_END)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
