"""Running a tool for a caller: who may, what it is given, and its record. For clients, and for a client's model."""

from collections.abc import Mapping
from typing import Any

from authz import audit
from authz.mcp_server import deciding, schemas
from authz.mcp_server.asked import require_scope
from authz.mcp_server.caller import Caller
from authz.mcp_server.events import McpEvent
from authz.mcp_server.reasons import McpReason
from authz.mcp_server.refusing import refuse
from authz.mcp_server.tool import Call, Outcome, Tool, ToolError

LONGEST_RECORDED = 200


def require(caller: Caller, tool: Tool) -> None:
    """Raise `Refused` for a token without the tool's scope, and for a person without its right."""
    require_scope(caller, tool.scope, detail=tool.name)
    if not caller.may(tool.permission):
        raise refuse(McpReason.ROLE_INSUFFICIENT, detail=tool.name)


def run(tool: Tool, call: Call, **more: object) -> Outcome:
    """What comes of the call, which is recorded with `more` in its detail. Raises `ToolError`."""
    if wrong := schemas.problem(tool.takes, call.arguments):
        raise ToolError(wrong)
    deciding.require(call.caller, tool, call.arguments)
    outcome = tool.run(call)
    record(McpEvent.TOOL_CALLED, call.caller, {"tool": tool.name, **_recorded(tool, call.arguments), **more})
    return outcome


def record(event: McpEvent, caller: Caller, detail: Mapping[str, object]) -> None:
    """Record what a caller did."""
    audit.record(
        event,
        client_id=caller.client.client_id,
        subject=caller.token.subject,
        resource=caller.token.resource.identifier,
        authorization=caller.token.authorization.pk,
        detail=detail,
    )


def _recorded(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What an agent looked for in the audit is itself worth a look; else the event of what was done has it."""
    if not tool.permission:
        return {}
    return {"looked_for": {name: str(value)[:LONGEST_RECORDED] for name, value in arguments.items()}}
