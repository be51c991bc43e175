"""The methods of MCP that this server has: finding out what there is, and calling tools. `tasks.py` has the tasks."""

from collections.abc import Callable, Mapping
from typing import Any

from authz import __version__, registry
from authz.extensions.listing import announced
from authz.mcp_server import results, running, sampling, tasks
from authz.mcp_server.asked import TASKS, Asked
from authz.mcp_server.catalog import TOOLS
from authz.mcp_server.tool import Call, ToolError
from authz.models import McpTask
from authz.protocol.mcp import LEGACY, MODERN, RpcCode, RpcError

SERVER = {"name": "gatehouse", "title": "Gatehouse", "version": __version__}
INSTRUCTIONS = (
    "Gatehouse decides which MCP servers this agent may reach. When an MCP server refuses you (insufficient_scope, or"
    " access denied), call explain_access to see why, and request_access to ask the people who decide. Say in `reason`"
    " why the work needs it. Only a human decides; do not ask again for what was denied."
)
# Of a list that changes only with the server's version and the person's role.
LIST_TTL = 300_000


def discover(asked: Asked) -> dict[str, Any]:
    """> Servers MUST implement it (2026-07-28, Discovery)"""
    return {
        "supportedVersions": [*MODERN, *LEGACY],
        "capabilities": capabilities(is_modern=True),
        "instructions": INSTRUCTIONS,
        "ttlMs": LIST_TTL,
        "cacheScope": "public",
    }


def initialize(asked: Asked) -> dict[str, Any]:
    """The handshake of earlier revisions, without a session: nothing that is said here counts later, but for sampling
    (`sampling/sessions.py`).

    > If the server supports the requested protocol version, it MUST respond with the same version. Otherwise, the
    > server MUST respond with another protocol version it supports. (2025-11-25, Lifecycle)
    """
    wanted = asked.message.params.get("protocolVersion")
    return {
        "protocolVersion": wanted if wanted in LEGACY else LEGACY[0],
        "capabilities": capabilities(is_modern=False),
        "serverInfo": SERVER,
        "instructions": INSTRUCTIONS,
    }


def ping(asked: Asked) -> dict[str, Any]:
    return {}


# SEP-1932: its text has no id yet, and the conformance suite calls it so.
_BOUND_TOKENS = "io.modelcontextprotocol/auth/dpop"
# The extensions of MCP that a grant of this server is, by the grant's type.
_OF_GRANTS = {
    "client_credentials": "io.modelcontextprotocol/oauth-client-credentials",
    "urn:ietf:params:oauth:grant-type:jwt-bearer": "io.modelcontextprotocol/enterprise-managed-authorization",
}


def capabilities(*, is_modern: bool) -> dict[str, Any]:
    """> A new "extensions" field will be introduced to each that is a map of extension identifiers to per-extension
    > settings objects. […] an empty object indicates no settings. (SEP-2133)

    Of an earlier revision there are no tasks here.
    """
    named = [_BOUND_TOKENS, *(name for grant, name in _OF_GRANTS.items() if grant in registry.grants())]
    # An organisation's own settings are its own: a client learns the id alone.
    named += announced()
    return {"tools": {}, "extensions": {name: {} for name in ([TASKS, *named] if is_modern else named)}}


def list_tools(asked: Asked) -> dict[str, Any]:
    """What the person's role allows, whatever the token's scopes: by a tool's refusal a client learns which it lacks.

    > The set MAY vary by the authorization presented on the request (2026-07-28, Tools)
    """
    if asked.message.params.get("cursor") is not None:
        raise RpcError(RpcCode.INVALID_PARAMS, "There is one page.")
    listed = [tool.as_item() for tool in TOOLS.values() if asked.caller.may(tool.permission)]
    if sampling.is_offered(asked):
        listed.append(sampling.TOOL.as_item())
    caching = {"ttlMs": LIST_TTL, "cacheScope": "private"} if asked.envelope.is_modern else {}
    return {"tools": listed, **caching}


def call_tool(asked: Asked) -> dict[str, Any]:
    """Call a tool. Raises `Refused` for a caller without its scope or right, and `RpcError`."""
    params = asked.message.params
    tool = TOOLS.get(params["name"]) if isinstance(params.get("name"), str) else None
    if tool is None:
        raise RpcError(RpcCode.INVALID_PARAMS, f"Unknown tool: {str(params.get('name'))[:64]}")
    running.require(asked.caller, tool)
    call = Call(
        caller=asked.caller,
        arguments=_mapping(params, "arguments"),
        client=asked.envelope,
        responses=_mapping(params, "inputResponses"),
    )
    try:
        outcome = running.run(tool, call)
    except ToolError as error:
        return results.failed(str(error))
    if isinstance(outcome, McpTask):
        return tasks.created(outcome, asked.envelope, asked.caller.moment)
    return results.of(outcome)


def _mapping(params: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = params.get(name, {})
    if not isinstance(found, Mapping):
        raise RpcError(RpcCode.INVALID_PARAMS, f"{name} is an object.")
    return found


Method = Callable[[Asked], dict[str, Any]]
_BOTH: Mapping[str, Method] = {"tools/list": list_tools, "tools/call": call_tool}
OF_MODERN: Mapping[str, Method] = {**_BOTH, **tasks.METHODS, "server/discover": discover}
OF_LEGACY: Mapping[str, Method] = {**_BOTH, "initialize": initialize, "ping": ping}
