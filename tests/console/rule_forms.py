"""Forms about rules, as a person fills them in."""

from tests.support.world import NOTES

FORM = {
    "name": "Visitors read", "effect": "allow", "enabled": "on", "clients": "host:*.example.com\nnightly-report",
    "grant_types": ["authorization_code"], "acts_for": "people", "groups": ["visitors"], "users": "",
    "resources": [NOTES], "scopes": ["mcp:read"], "max_lifetime": "300", "networks": "10.0.0.0/8",
}  # fmt: skip


ASK = {
    "client_id": "desktop-app",
    "username": "bob",
    "resource": NOTES,
    "grant_type": "authorization_code",
    "scope": "mcp:read",
}


NOTES_RULE = {
    "name": "Agents read notes", "effect": "allow", "enabled": "on", "clients": "posting-agent", "acts_for": "machine",
    "grant_types": ["client_credentials"], "resources": [NOTES], "scopes": ["mcp:read"],
}  # fmt: skip
