"""`make demo`: Gatehouse, a real MCP server and real MCP clients, told step by step.

tests/interop/ builds on the same parts.
"""
