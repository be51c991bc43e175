"""What people do in the console, as the audit names it. What they change in configuration is a core event."""

from enum import StrEnum


class ConsoleEvent(StrEnum):
    AGENT_SECRET_MADE = "agent:secret:made"  # noqa: S105  not a secret
    PROTECTION_CHECKED = "console:protection:checked"
    PROTECTION_FOUND = "console:protection:found"
    REFUSED = "console:request:refused"
    AUDIT_EXPORTED = "audit:events:exported"
    DESTINATION_TESTED = "audit:destination:tested"
    REACH_EXPORTED = "policy:reach:exported"
