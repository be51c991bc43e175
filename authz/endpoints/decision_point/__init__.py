"""The policy decision point (OpenID AuthZEN Authorization API 1.0): may this call be made, now?

caller.py authenticates the MCP server or gateway that asks. holder.py finds who the call is for, asked_call.py what is
called. decided.py decides, records and answers. The other files are the endpoints.
"""
