"""Members whose shape other code validates, such as a rule's: JSON, described for those who write it."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

TEXTS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}
_MOMENT: Mapping[str, Any] = {"type": "string", "description": "A date, or a date and time with its offset from UTC."}
HOURS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "days": {"type": "array", "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}},
        "from": {"type": "string", "description": "Such as 08:00."},
        "to": {"type": "string", "description": "Such as 18:00; over midnight if it is earlier."},
        "timezone": {"type": "string", "description": "Such as Europe/Berlin; UTC if left out."},
    },
    "additionalProperties": False,
}
_VALUE: Mapping[str, Any] = {"type": ["string", "number", "boolean"]}
_NUMBER: Mapping[str, Any] = {"type": "number", "minimum": -(2**53) + 1, "maximum": 2**53 - 1}
ARGUMENTS: Mapping[str, Any] = {
    "type": "object",
    "description": "Members of a tool call’s arguments, such as amount or to.country, and what is asked of each.",
    "additionalProperties": {
        "type": "object",
        "minProperties": 1,
        "properties": {
            "equals": _VALUE,
            "one_of": {"type": "array", "minItems": 1, "items": _VALUE},
            "below": _NUMBER,
            "at_least": _NUMBER,
            "prefix": {"type": "string", "minLength": 1, "maxLength": 255},
            "present": {"type": "boolean"},
        },
        "additionalProperties": False,
    },
}
LABELS: Mapping[str, Any] = {
    "type": "array",
    "items": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,62}$"},
}
CONDITIONS: Mapping[str, Any] = {
    "type": "object",
    "description": "What is left out requires nothing.",
    "properties": {
        "max_auth_age": {"type": "integer", "minimum": 1, "description": "Seconds since the person signed in."},
        "acr": TEXTS,
        "amr": TEXTS,
        "networks": {**TEXTS, "description": "CIDR networks; the request comes from one of them."},
        "environments": TEXTS,
        "not_before": _MOMENT,
        "not_after": _MOMENT,
        "hours": HOURS,
        "arguments": ARGUMENTS,
        "extensions": {
            "type": "object",
            "description": "Conditions of extensions, by id, in each one’s own words (docs/extensions.md).",
            "additionalProperties": {"type": "object", "additionalProperties": True},
        },
        "unusual": {
            "type": "array",
            "items": {"enum": ["first_use", "volume"]},
            "description": "The call is the agent’s first one of the tool, or one of far more than usual.",
        },
    },
    "additionalProperties": False,
}
APPROVERS: Mapping[str, Any] = {
    "type": "object",
    "description": "Who approves.",
    "properties": {
        "owner": {"type": "boolean"},
        "users": TEXTS,
        "groups": TEXTS,
        "roles": {"type": "array", "items": {"enum": ["administrator", "approver"]}},
        "count": {"type": "integer", "minimum": 1, "maximum": 5, "description": "How many people have to approve."},
    },
    "additionalProperties": False,
}
JWKS: Mapping[str, Any] = {
    "type": "object",
    "description": "A JWK set of public keys (RFC 7517).",
    "properties": {"keys": {"type": "array", "items": {"type": "object", "additionalProperties": True}}},
    "required": ["keys"],
}
CLAIM: Mapping[str, Any] = {
    "description": "The claim's value, or a list of the values that are accepted.",
    "type": ["string", "number", "boolean", "array", "object"],
    "items": {"type": ["string", "number", "boolean"]},
    "additionalProperties": True,
}
# The members of a rule besides its name and effect (authz/policy).
RULE: Mapping[str, Mapping[str, Any]] = {
    "clients": {**TEXTS, "description": "Client ids, or patterns such as host:*.example.com; * for all."},
    "through": {
        **TEXTS,
        "description": "Only what was passed on by these clients (token exchange); * for any. Left out: an allow is for"
        " what no client passed on.",
    },
    "users": {**TEXTS, "description": "User names. Neither users nor groups: agents that ask for themselves."},
    "groups": {**TEXTS, "description": "Groups; * for everyone who is signed in."},
    "grant_types": TEXTS,
    "resources": {**TEXTS, "description": "Identifiers of MCP servers; * for all."},
    "scopes": TEXTS,
    "sensitivities": {"type": "array", "items": {"enum": ["low", "medium", "high"]}},
    "tools": {**TEXTS, "description": "Names of tools, or payroll_* for all that begin so. Left out: all of them."},
    "labels": {**LABELS, "description": "Only where the MCP server, the scope or the tool has one of these."},
    "conditions": CONDITIONS,
    "max_lifetime": {"type": "integer", "minimum": 1, "description": "Seconds that a token lives at most."},
    "proof_of_possession": {"type": "boolean", "description": "Tokens are bound to a key that the agent shows (DPoP)."},
    "approvers": APPROVERS,
}


def shaped(shape: Mapping[str, Any]) -> type[serializers.JSONField]:
    """A field for such a member."""
    made: type[serializers.JSONField] = extend_schema_field(dict(shape))(
        type("ShapedField", (serializers.JSONField,), {})
    )
    return made
