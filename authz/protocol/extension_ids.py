"""Identifiers of extensions (pure): MCP's form `com.example/patient-consent` (SEP-2133), in small letters.

> Extensions are identified using a unique extension identifier with the format: `{vendor-prefix}/{extension-name}`
"""

import re

# So that an event `<id>:<name>` fits its column.
LONGEST = 40
# > Labels MUST start with a letter and end with a letter or digit; interior characters can be letters, digits, or
# > hyphens (2026-07-28, “_meta”). Small letters and hyphens alone: no two ids look alike.
_LABEL = r"[a-z](?:[a-z0-9-]*[a-z0-9])?"
_IDENTIFIER = re.compile(rf"{_LABEL}(?:\.{_LABEL})+/[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
# > Any prefix where the second label is `modelcontextprotocol` or `mcp` is reserved for MCP use.
_RESERVED = {"modelcontextprotocol": "MCP’s own", "mcp": "MCP’s own", "gatehouse": "this server’s own"}


def problem(identifier: str) -> str:
    """Why an organisation's extension may not have this id, in words; "" if it may."""
    if len(identifier) > LONGEST:
        return f"has {len(identifier)} characters; an id has at most {LONGEST}"
    if not _IDENTIFIER.fullmatch(identifier):
        return "is no id such as com.example/patient-consent: a domain of yours reversed, a slash and a name"
    if whose := _RESERVED.get(identifier.partition("/")[0].split(".")[1]):
        return f"is in a namespace that is {whose}"
    return ""
