"""The events of the MCP server itself; what its tools do has the events of that."""

from enum import StrEnum


class McpEvent(StrEnum):
    REFUSED = "mcp:request:refused"
    TOOL_CALLED = "mcp:tool:called"
    SAMPLING_ROUND = "mcp:sampling:round"
    SAMPLING_ENDED = "mcp:sampling:ended"
