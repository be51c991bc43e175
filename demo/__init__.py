"""`make demo`: Gatehouse, a real MCP server and real MCP clients, shown step by step.

tests/interop/ builds on the same parts.
"""
