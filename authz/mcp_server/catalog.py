"""All tools, in the order that `tools/list` has."""

from collections.abc import Mapping

from authz.mcp_server.tool import Tool
from authz.mcp_server.tools import asking, auditing, explaining, holding, requests

TOOLS: Mapping[str, Tool] = {
    tool.name: tool for module in (explaining, asking, requests, holding, auditing) for tool in module.TOOLS
}
