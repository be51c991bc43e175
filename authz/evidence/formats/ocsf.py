"""Open Cybersecurity Schema Framework 1.8.0 (docs/decisions/0029-ocsf-by-hand.md).

Signing in and out is Authentication [3002], configuration and management is Entity Management [3004], and requests are
API Activity [6003]. Fields without a place in a class are in `unmapped`, under our own names.
"""

import json
from collections.abc import Mapping
from typing import Any

from authz.evidence.formats import milliseconds

MEDIA_TYPE = "application/x-ndjson"
VERSION = "1.8.0"
AUTHENTICATION, ENTITY_MANAGEMENT, API_ACTIVITY = 3002, 3004, 6003
SUCCESS, FAILURE = 1, 2
INFORMATIONAL, LOW = 1, 2
OTHER = 99
# By what an event is about: `source` or `source:subject`. Everything else was asked of an endpoint.
_CLASSES = {
    "person:session": AUTHENTICATION,
    "person:sign_in": AUTHENTICATION,
    **dict.fromkeys(("configuration", "key", "agent", "audit", "cimd", "registration", "subject"), ENTITY_MANAGEMENT),
}
# The classes' own activities, by the last word of an event's name; those that are none of them are Other.
_ACTIVITIES = {
    AUTHENTICATION: {"started": 1, "ended": 2, "refused": 1},
    ENTITY_MANAGEMENT: {
        "created": 1, "registered": 1, "published": 1, "made": 1, "first_seen": 1, "exported": 2, "changed": 3,
        "removed": 4, "archived": 5, "approved": 8, "retired": 9, "suspended": 12, "quarantined": 12,
    },
    API_ACTIVITY: {"issued": 1, "given": 1, "opened": 1, "introspected": 2, "approved": 3, "revoked": 4, "ended": 4},
}  # fmt: skip

_CAPTIONS = {
    AUTHENTICATION: {1: "Logon", 2: "Logoff"},
    ENTITY_MANAGEMENT: {
        1: "Create", 2: "Read", 3: "Update", 4: "Delete", 5: "Move", 8: "Enable", 9: "Disable", 12: "Suspend",
    },
    API_ACTIVITY: {1: "Create", 2: "Read", 3: "Update", 4: "Delete"},
}  # fmt: skip


def line(index: int, event: Mapping[str, Any]) -> str:
    return json.dumps(record(index, event), separators=(",", ":"), ensure_ascii=True)


def record(index: int, event: Mapping[str, Any]) -> dict[str, Any]:
    """The event as an OCSF object."""
    name = str(event.get("event", "unknown"))
    source, _, rest = name.partition(":")
    about, _, action = rest.rpartition(":")
    class_uid = _CLASSES.get(f"{source}:{about}", _CLASSES.get(source, API_ACTIVITY))
    activity = _ACTIVITIES[class_uid].get(action, OTHER)
    refused = bool(event.get("reason"))
    record = {
        "class_uid": class_uid,
        "category_uid": class_uid // 1000,
        "activity_id": activity,
        # > 99 Other: … See the activity_name attribute, which contains a data source specific value. (OCSF)
        "activity_name": _CAPTIONS[class_uid].get(activity, action or name),
        "type_uid": class_uid * 100 + activity,
        "time": milliseconds(str(event.get("time", ""))),
        "severity_id": LOW if refused else INFORMATIONAL,
        "status_id": FAILURE if refused else SUCCESS,
        "message": name,
        "metadata": {
            "version": VERSION,
            "product": {"name": "Gatehouse", "vendor_name": "Gatehouse"},
            "uid": str(event.get("id", "")),
            "sequence": index,
            "event_code": name,
            **({"correlation_uid": str(event["request_id"])} if "request_id" in event else {}),
        },
        "unmapped": {key: event[key] for key in ("authorization", "detail") if key in event},
    }
    if refused:
        record["status_detail"] = str(event["reason"])
    return record | _OF_CLASS[class_uid](event, name) | _from(event, class_uid)


def _authentication(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    user = {"uid": str(event["subject"])} if "subject" in event else {"name": "unknown"}
    return {"user": user, "service": {"name": "Gatehouse"}}


def _entity_management(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    detail = event.get("detail")
    known = detail if isinstance(detail, Mapping) else {}
    named = event.get("client_id") or event.get("resource") or known.get("name") or known.get("key") or name
    entity = {"name": str(named), "type": ":".join(name.split(":")[:2])}
    return {"entity": entity, **({"actor": _actor(event)} if "subject" in event else {})}


def _api_activity(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    activity: dict[str, Any] = {
        "api": {"operation": name, "service": {"name": "Gatehouse"}},
        "actor": _actor(event),
    }
    if "resource" in event:
        activity["resources"] = [{"uid": str(event["resource"]), "type": "MCP server"}]
    return activity


_OF_CLASS = {
    AUTHENTICATION: _authentication,
    ENTITY_MANAGEMENT: _entity_management,
    API_ACTIVITY: _api_activity,
}


def _actor(event: Mapping[str, Any]) -> dict[str, Any]:
    actor: dict[str, Any] = {}
    if "client_id" in event:
        actor["app_uid"] = str(event["client_id"])
    if "subject" in event:
        actor["user"] = {"uid": str(event["subject"])}
    return actor or {"app_name": "unknown"}


def _from(event: Mapping[str, Any], class_uid: int) -> dict[str, Any]:
    if "address" in event:
        return {"src_endpoint": {"ip": str(event["address"])}}
    # Required there; a command on the server itself has no address.
    return {"src_endpoint": {"svc_name": "Gatehouse"}} if class_uid == API_ACTIVITY else {}
