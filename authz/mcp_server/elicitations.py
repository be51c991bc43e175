"""What a client is asked to ask its person: why the access is needed, and to open the request's page.

> Servers MUST NOT use form mode elicitation to request sensitive information (2026-07-28, Elicitation)

The page's address is no secret: who opens it signs in, and sees it only as its person, owner or approver.
"""

from collections.abc import Mapping
from typing import Any

from authz.approvals import access_requests
from authz.approvals.access_requests import LONGEST_TEXT
from authz.models import AccessRequest, ProtectedResource
from authz.protocol.display_names import visible

REASON, PAGE = "reason", "page"
_FIELD = "reason"


def for_reason(key: str, server: ProtectedResource | str) -> dict[str, Any]:
    where = server if isinstance(server, str) else server.name or server.identifier
    return {
        key: {
            "method": "elicitation/create",
            "params": {
                "mode": "form",
                "message": f"Why is access to {visible(where)} needed? The people who decide read it.",
                "requestedSchema": {
                    "type": "object",
                    "properties": {
                        _FIELD: {
                            "type": "string",
                            "title": "Reason",
                            "description": "In a sentence or two.",
                            "minLength": 1,
                            "maxLength": LONGEST_TEXT,
                        }
                    },
                    "required": [_FIELD],
                },
            },
        }
    }


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


def reason_of(responses: Mapping[str, Any], key: str = REASON) -> str:
    """The reason that a person gave; "" where there is none that can be used. Responses may be anything."""
    found = responses.get(key)
    content = found.get("content") if isinstance(found, Mapping) and found.get("action") == "accept" else None
    given = content.get(_FIELD) if isinstance(content, Mapping) else None
    return given.strip()[:LONGEST_TEXT] if isinstance(given, str) else ""


def is_declined(responses: Mapping[str, Any], key: str = REASON) -> bool:
    found = responses.get(key)
    return isinstance(found, Mapping) and found.get("action") in {"decline", "cancel"}
