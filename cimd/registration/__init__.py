"""Dynamic client registration (RFC 7591, RFC 7592) for older clients: off unless the `cimd:` section turns it on.

MCP 2026-07-28 deprecates it in favour of metadata documents. A client may register with an initial access token, or if
its every redirect URI is on a host that the configuration names. A registration is judged as a document is; it cannot
ask for machine grants, for scopes of high sensitivity, or for leaving people out (attack 29).
"""
