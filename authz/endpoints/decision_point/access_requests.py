"""Access requests for one call, and their state (AuthZEN Access Request and Approval Profile).

A denial that can be asked about leads here with the same question. The request goes to the approvers of the rules that
hold it; after an approval the same call is evaluated again, and passes.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import re_path

from authz import audit, decisions
from authz.approvals import access_requests, extension_fields, told_extensions
from authz.approvals.extension_fields import FieldError
from authz.endpoints.decision_point import decided, denial_binding
from authz.endpoints.decision_point.caller import Caller, authenticated, malformed
from authz.endpoints.decision_point.decided import Decided
from authz.endpoints.machine import Answer, Request, json_object, json_response, machine_endpoint, now
from authz.models import AccessRequest
from authz.models.access_request import LAPSES_AFTER
from authz.policy.unusual import in_order
from authz.protocol import authzen
from authz.protocol.authzen import MalformedError
from authz.protocol.errors import OAuthError, Reason

_PATH = re.compile(r"/access/v1/requests/([0-9a-f-]{36})$")
_STATES = {
    "open": "pending",
    "approved": "approved",
    "denied": "denied",
    "expired": "expired",
    "cancelled": "cancelled",
}


@machine_endpoint("POST", refused=audit.Event.DECISION_REFUSED, cors=False, echoes_id=True)
def access_request(request: Request) -> Answer:
    """Ask the approvers about a call that was held. The same call asked about twice is one request."""
    body = json_object(request)
    caller = authenticated(request, body)
    try:
        asked = authzen.evaluation(body)
        judged = decided.judge(asked, caller)
    except MalformedError as problem:
        raise malformed(problem) from None
    evaluation = _bound(body.get("denial"), judged, caller.now)
    fields, reason = _said(body, judged)
    row = opened(judged, evaluation)
    by, moment = row.user or row.client, datetime.fromtimestamp(caller.now, tz=row.first_asked.tzinfo)
    try:
        # What a person has said stays.
        if fields and not row.extension_fields:
            extension_fields.give(row, by=by, given=fields, now=moment)
    except FieldError as problem:
        raise malformed(MalformedError("requested_access:", str(problem).rstrip("."))) from None
    if reason and not row.reason:
        access_requests.add_justification(row, by=by, reason=reason, now=moment)
    return json_response({"task": _task(row)}, status=202)


def _said(body: Mapping[str, Any], judged: Decided) -> tuple[extension_fields.Given, str]:
    """What extensions ask for, and the reason: read before anything is asked. Raises `OAuthError`.

    > A member name or value added at an extension point MUST be […] A reverse-DNS-prefixed identifier […] An
    > implementation receiving a member or value it does not recognize at an extension point MUST ignore it (Access
    > Request and Approval Profile, “Naming Extensions”, “Forward Compatibility”)

    What is required and missing is asked on the request's page.
    """
    wanted, context = body.get("requested_access", {}), body.get("context", {})
    if not isinstance(wanted, Mapping):
        raise malformed(MalformedError("requested_access", "is an object"))
    resource = judged.server.identifier if judged.server else ""
    given = {name: wanted[name] for name in told_extensions.concerned(resource) if name in wanted}
    try:
        fields = extension_fields.taken(resource, given, is_whole=False)
    except FieldError as problem:
        raise malformed(MalformedError("requested_access:", str(problem).rstrip("."))) from None
    reason = context.get("business_justification") if isinstance(context, Mapping) else None
    return fields, reason if isinstance(reason, str) else ""


def _bound(denial: object, judged: Decided, now: float) -> str:
    """The evaluation whose denial the request answers. Raises `OAuthError`.

    > An Access Request whose denial binding does not cover the submitted Subject, Resource, Action, and
    > authorization-relevant Context … MUST be rejected
    """
    given = denial.get("binding_token") if isinstance(denial, Mapping) else None
    if isinstance(given, str) and judged.requestable:
        found = denial_binding.evaluation_of(given, judged.requestable, now)
        if found is not None:
            return found
    raise OAuthError(
        Reason.DENIAL_BINDING_WRONG,
        parameters={"type": "urn:openid:authzen:access-request:error:invalid_denial_binding"},
    )


def opened(judged: Decided, evaluation: str) -> AccessRequest:
    """The access request for a call that waits: a new one, or the one there is. Raises `OAuthError`."""
    holder, call, decision = judged.holder, judged.call, judged.decision
    if holder is None or call is None or call.tool is None or decision is None:
        raise OAuthError(Reason.DENIAL_BINDING_WRONG)
    return decisions.open_request(
        holder.question(call.tool),
        decision,
        call={
            "tool": call.tool.name,
            "labels": sorted(call.tool.labels or ()),
            "shown": dict(call.shown or {}),
            "unusual": in_order(call.tool.unusual or ()),
        },
        evaluation=evaluation,
    )


def page_of(row: AccessRequest) -> str:
    """The address of its page, for the person."""
    return access_requests.address(row)


@machine_endpoint("GET", "POST", refused=audit.Event.DECISION_REFUSED, cors=False, echoes_id=True, name="task")
def task(request: Request) -> Answer:
    """The state of an access request. POST: for callers that authenticate in a body."""
    body = json_object(request) if request.method == "POST" else {}
    caller = authenticated(request, body)
    row = _asked(request.path, caller)
    if row is None:
        unknown = "urn:openid:authzen:access-request:error:unknown_task"
        return json_response({"type": unknown, "title": "There is no such request."}, status=404)
    answer: dict[str, Any] = {"task": _task(row)}
    if answer["task"]["status"] == "approved":
        answer["result"] = {"mode": "reevaluate", "approval": _approval(row)}
    return json_response(answer, headers={"Retry-After": str(access_requests.POLLING_INTERVAL)})


def _asked(address: str, caller: Caller) -> AccessRequest | None:
    """The request at this address, if it is about a call at an MCP server of the caller's."""
    found = _PATH.search(address)
    servers = [row.identifier for row in caller.servers]
    rows = AccessRequest.objects.filter(resource__in=servers).exclude(call=None).select_related("client", "user")
    return rows.filter(pk=UUID(found[1])).first() if found else None


def _task(row: AccessRequest) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "status": _STATES[row.state(datetime.fromtimestamp(now(), tz=row.first_asked.tzinfo))],
        "status_endpoint": f"{denial_binding.endpoint()}/{row.pk}",
        "expires_at": _rfc3339(row.last_asked + LAPSES_AFTER),
        "links": {"ticket": page_of(row)},
    }


def _approval(row: AccessRequest) -> dict[str, str]:
    found = {"id": str(row.pk)}
    if row.decided is not None and row.expires is not None:
        found |= {"approved_at": _rfc3339(row.decided), "approved_until": _rfc3339(row.expires)}
    return found


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


urlpatterns = [
    re_path(r"^access/v1/requests$", access_request, name="access_request"),
    re_path(r"^access/v1/requests/[0-9a-f-]{36}$", task, name="access_request_task"),
]
