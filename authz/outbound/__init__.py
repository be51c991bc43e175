"""The one way to other servers: `fetch` for HTTP, `mail` for mail, `deliver` for syslog over TLS.

An exchange goes through the same defences, one file each: a strict URL and checked addresses (destinations.py), a
connection to a checked address (pinned_connection.py), one deadline for all of it (deadlines.py), and the limits of its
role (roles.py). It fails closed. The import contract "One way out" in pyproject.toml names the few modules that may use
a network library, and why.
"""

from authz.outbound.destinations import is_fetchable, is_public
from authz.outbound.http import fetch
from authz.outbound.mail import mail
from authz.outbound.roles import Cause, Limits, OutboundError, Response, Role
from authz.outbound.syslog import deliver

__all__ = [
    "Cause",
    "Limits",
    "OutboundError",
    "Response",
    "Role",
    "deliver",
    "fetch",
    "is_fetchable",
    "is_public",
    "mail",
]
