"""Everything that the console shows: importing a page registers it. Rooms register theirs in their `admin.py`."""

from authz.console import (
    access_requests,
    agents,
    audit_explorer,
    evidence,
    mcp_servers,
    people,
    rules,
    signing_keys,
    standing,
    webhooks,
)
from authz.console.site import console

__all__ = [
    "access_requests",
    "agents",
    "audit_explorer",
    "console",
    "evidence",
    "mcp_servers",
    "people",
    "rules",
    "signing_keys",
    "standing",
    "webhooks",
]
