"""What a client is asked to ask its person: why access is needed, what extensions ask for, to open the request's page.

> Servers MUST NOT use form mode elicitation to request sensitive information (2026-07-28, Elicitation)

The page's address is no secret: who opens it signs in, and sees it only as its person, owner or approver.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from authz.approvals import access_requests
from authz.approvals.access_requests import LONGEST_TEXT
from authz.approvals.extension_fields import LARGEST, LONGEST_VALUE, AskedField
from authz.extensions.contract import Field
from authz.models import AccessRequest, ProtectedResource
from authz.protocol.display_names import visible

REASON, PAGE = "reason", "page"
_FIELD = "reason"


def for_details(
    key: str, server: ProtectedResource | str, fields: Sequence[AskedField], *, reason: bool
) -> dict[str, Any]:
    """A form for the reason, if that is missing, and for fields of extensions."""
    where = visible(server if isinstance(server, str) else server.name or server.identifier)
    asks = f"Why is access to {where} needed?" if reason else f"More is needed to ask for access to {where}."
    properties = {_FIELD: _REASON_SCHEMA} if reason else {}
    properties |= {one.key: _schema(one.field) for one in fields}
    return {
        key: {
            "method": "elicitation/create",
            "params": {
                "mode": "form",
                "message": f"{asks} The people who decide read it.",
                "requestedSchema": {"type": "object", "properties": properties, "required": list(properties)},
            },
        }
    }


_REASON_SCHEMA = {
    "type": "string",
    "title": "Reason",
    "description": "In a sentence or two.",
    "minLength": 1,
    "maxLength": LONGEST_TEXT,
}


def _schema(field: Field) -> dict[str, Any]:
    """> restricted to flat objects with primitive properties only (2026-07-28, Elicitation)"""
    told = {"title": visible(field.label), **({"description": visible(field.help)} if field.help else {})}
    if field.kind == "number":
        return {"type": "number", "minimum": 0, "maximum": LARGEST, **told}
    return {"type": "string", "minLength": 1, "maxLength": LONGEST_VALUE, **told}


def for_page(row: AccessRequest) -> dict[str, Any]:
    return {
        PAGE: {
            "method": "elicitation/create",
            "params": {
                "mode": "url",
                "url": access_requests.address(row),
                "message": "Your request for access waits for a decision. Its page shows who decides.",
            },
        }
    }


def details_of(responses: Mapping[str, Any], key: str = REASON) -> Mapping[str, Any]:
    """What a person filled in, by name; empty where there is nothing that can be used. Responses may be anything."""
    found = responses.get(key)
    content = found.get("content") if isinstance(found, Mapping) and found.get("action") == "accept" else None
    return content if isinstance(content, Mapping) else {}


def reason_of(responses: Mapping[str, Any], key: str = REASON) -> str:
    """The reason that a person gave; "" where there is none that can be used."""
    given = details_of(responses, key).get(_FIELD)
    return given.strip()[:LONGEST_TEXT] if isinstance(given, str) else ""


def is_declined(responses: Mapping[str, Any], key: str = REASON) -> bool:
    found = responses.get(key)
    return isinstance(found, Mapping) and found.get("action") in {"decline", "cancel"}
