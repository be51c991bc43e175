"""This server's own MCP server (docs/mcp.md): agents ask for access where they are, and humans decide in the console.

`POST {issuer}/mcp` is a protected resource of this very server. It has no session: each request says who asks, by its
token, and what its client can do (docs/decisions/0100-an-mcp-server-of-our-own.md).
A client of 2025-11-25 whose model may be asked has one that is not stored (`sampling`).
"""
