"""One request of a known caller."""

from dataclasses import dataclass

from authz.mcp_server.caller import Caller
from authz.mcp_server.reasons import McpReason
from authz.mcp_server.refusing import refuse
from authz.protocol.mcp import Envelope, RpcMessage

TASKS = "io.modelcontextprotocol/tasks"


@dataclass(frozen=True, slots=True)
class Asked:
    """`session` is that of a client of 2025-11-25 whose model may be asked (`sampling/sessions.py`); "" of others."""

    message: RpcMessage
    envelope: Envelope
    caller: Caller
    session: str = ""


def require_scope(caller: Caller, scope: str, *, detail: str) -> None:
    """Raise `Refused` for a token without this scope.

    > HTTP 403 Forbidden […] scope: specifying the minimum scopes needed for the operation (MCP, Authorization)
    """
    if scope not in caller.scopes:
        raise refuse(McpReason.SCOPE_INSUFFICIENT, detail=detail, scope=scope)
