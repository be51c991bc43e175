"""The Model Context Protocol's messages, read strictly (pure): JSON-RPC, and what a request says of its revision.

`MODERN` are the revisions whose requests carry all that is needed; `LEGACY` those that begin with `initialize`. The
latter are served without a session, so nothing that a client said in `initialize` counts later.
"""

from authz.protocol.mcp.envelope import LEGACY, MODERN, Envelope, Headers, envelope
from authz.protocol.mcp.messages import RpcCode, RpcError, RpcMessage, RpcResponse, read, read_response

__all__ = [
    "LEGACY",
    "MODERN",
    "Envelope",
    "Headers",
    "RpcCode",
    "RpcError",
    "RpcMessage",
    "RpcResponse",
    "envelope",
    "read",
    "read_response",
]
