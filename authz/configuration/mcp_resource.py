"""This server's own MCP server as a protected resource of it: its identifier and its scopes."""

from collections.abc import Mapping

from authz.conf import conf

READ = "access:read"
REQUEST = "access:request"
AUDIT = "audit:read"
# With the texts of the consent page.
SCOPES: Mapping[str, str] = {
    READ: "See which MCP servers this agent may reach for you, why not, and what it holds",
    REQUEST: "Ask people for access in your name, and withdraw or end this agent’s access",
    AUDIT: "Read the audit and who reaches what, as far as your role allows",
}
# What a caller without a token is told to ask for.
USUAL_SCOPES = (READ, REQUEST)


def identifier() -> str:
    """The `resource` of token requests for it, the `aud` of its tokens, and its address."""
    return conf.endpoint("mcp")
