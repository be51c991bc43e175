"""Which extensions an access request concerns, what they are told of it, and the events that they report in return."""

import copy
import json
from typing import Any

from authz import audit
from authz.extensions import Extension, ExtensionFault, active, configured, switched_on
from authz.extensions.events import OwnEvent
from authz.models import AccessRequest

OPENED, APPROVED, DENIED = "request_opened", "request_approved", "request_denied"
MAX_EVENTS, LONGEST_DETAIL = 5, 2000


def concerned(resource: str) -> list[str]:
    """The ids of the extensions that requests for this MCP server depend on."""
    if not (named := switched_on()):
        return []
    given = configured()
    return [name for name in named if resource and {resource, "*"} & set(given[name].get("resources", ()))]


def extensions_for(resource: str) -> list[Extension]:
    """The same, ready to be called. Raises `ExtensionFault`."""
    return [active(identifier) for identifier in concerned(resource)]


def as_told(request: AccessRequest, identifier: str) -> dict[str, Any]:
    """A request as an extension gets it: with its own fields, and no other's."""
    return {
        "client_id": request.client.client_id,
        "person": request.user.username if request.user else None,
        "resource": request.resource,
        "scopes": list(request.scopes),
        "reason": request.reason,
        "call": copy.deepcopy(request.call),
        "fields": copy.deepcopy((request.extension_fields or {}).get(identifier, {})),
    }


def tell(happened: str, request: AccessRequest) -> None:
    """Tell the extensions what happened, and record what they report. A fault leaves what happened as it is."""
    for identifier in concerned(request.resource):
        try:
            extension = active(identifier)
            if extension.brought.events is None:
                continue
            for name, detail in _reported(extension, happened, request):
                audit.record(
                    OwnEvent(identifier, name),
                    client_id=request.client.client_id,
                    subject=str(request.user.subject) if request.user else "",
                    resource=request.resource,
                    detail={"request": str(request.pk), "reported": detail},
                )
        except ExtensionFault:
            continue


def _reported(extension: Extension, happened: str, request: AccessRequest) -> list[tuple[str, Any]]:
    found = extension.call("events", happened, as_told(request, extension.identifier))
    if not isinstance(found, list | tuple) or len(found) > MAX_EVENTS:
        raise extension.fault("events", f"it answered no list of at most {MAX_EVENTS}")
    return [_one(extension, item) for item in found]


def _one(extension: Extension, item: object) -> tuple[str, Any]:
    """Attack: an event in the server's name, or one that no one could read or store."""
    if not isinstance(item, list | tuple) or len(item) != 2:
        raise extension.fault("events", "an event is a name and its details")
    name, detail = item
    if not isinstance(name, str) or name not in extension.brought.event_names:
        raise extension.fault("events", "an event is none of those in EVENTS")
    try:
        text = json.dumps(detail, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise extension.fault("events", "the details are no JSON") from None
    if not isinstance(detail, dict) or len(text) > LONGEST_DETAIL:
        raise extension.fault("events", f"the details are no mapping of at most {LONGEST_DETAIL} characters")
    return name, json.loads(text)
