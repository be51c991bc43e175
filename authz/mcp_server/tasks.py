"""Access requests as tasks (the extension `io.modelcontextprotocol/tasks`, SEP-2663).

A task stores nothing of its status: each poll reads the access request, so what is decided on one node is seen on every
other at once, and restarts lose nothing. Clients poll, or listen (`listening`).
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from authz.approvals import access_requests, extension_fields, voting
from authz.approvals.access_requests import POLLING_INTERVAL
from authz.approvals.extension_fields import FieldError
from authz.configuration.mcp_resource import REQUEST
from authz.extensions import ExtensionFault
from authz.mcp_server import elicitations, request_answers, results
from authz.mcp_server.asked import TASKS, Asked, require_scope
from authz.mcp_server.caller import Caller
from authz.mcp_server.reasons import McpReason
from authz.mcp_server.refusing import record
from authz.models import AccessRequest, McpTask
from authz.models.access_request import LAPSES_AFTER
from authz.protocol.mcp import Envelope, RpcCode, RpcError

# > New error codes for purposes not defined by this specification SHOULD be allocated outside the JSON-RPC reserved
# > range (2026-07-28, “Error Codes”)
LAPSED = 1001
TERMINAL = frozenset({"completed", "failed", "cancelled"})
# How often a client is asked for a reason that it leaves empty.
MAX_ROUNDS = 3


def can_follow(client: Envelope) -> bool:
    """> A server MUST NOT return CreateTaskResult to a client that did not include the extension capability on its
    > request, regardless of prior declarations.
    """
    return client.is_modern and client.has_extension(TASKS)


def opened(row: AccessRequest, caller: Caller) -> McpTask:
    """The caller's task for an access request: the one there is, or a new one. The same question has one task."""
    now = caller.moment
    own = McpTask.objects.filter(client=caller.client, user=caller.person, access_request=row, expires__gt=now)
    found = own.order_by("created").first() or McpTask.objects.create(
        client=caller.client,
        user=caller.person,
        access_request=row,
        created=now,
        updated=now,
        expires=now + LAPSES_AFTER,
    )
    found.access_request = row
    return found


def created(task: McpTask, client: Envelope, now: datetime) -> dict[str, Any]:
    """The `CreateTaskResult`: without what only `tasks/get` shows.

    > A server MUST NOT return CreateTaskResult until the task is durably created
    """
    found = shown(task, client, now)
    return {"resultType": "task"} | {
        name: value for name, value in found.items() if name not in {"inputRequests", "result", "error"}
    }


def get(asked: Asked) -> dict[str, Any]:
    return shown(_own(asked), asked.envelope, asked.caller.moment)


def update(asked: Asked) -> dict[str, Any]:
    """Take responses to what `inputRequests` asked.

    > A server SHOULD ignore any inputResponses responses mapped to a key that is not currently outstanding
    """
    task = _own(asked)
    given = asked.message.params.get("inputResponses")
    if not isinstance(given, Mapping):
        raise RpcError(RpcCode.INVALID_PARAMS, "inputResponses is an object.")
    now, wanted = asked.caller.moment, _inputs(task, task.access_request)
    if (key := _reason_key(task)) in wanted and key in given:
        row, reason = task.access_request, elicitations.reason_of(given, key)
        fields = _fields(row, elicitations.details_of(given, key))
        lacks = not (reason or row.reason) or (not fields and bool(extension_fields.still_missing(row)))
        goes_on = lacks and not elicitations.is_declined(given, key) and task.round < MAX_ROUNDS
        # One conditional statement: of two answers to one question, one counts.
        moved = McpTask.objects.filter(pk=task.pk, round=task.round, wants_reason=True).update(
            round=F("round") + 1, wants_reason=goes_on, updated=now
        )
        by = asked.caller.person or asked.caller.client
        if moved and reason:
            access_requests.add_justification(row, by=by, reason=reason, now=now)
        if moved and fields:
            # An approver may have voted in this moment: then it stays as it was.
            with suppress(FieldError):
                extension_fields.give(row, by=by, given=fields, now=now)
    if elicitations.PAGE in wanted and elicitations.PAGE in given:
        McpTask.objects.filter(pk=task.pk).update(wants_page=False, updated=now)
    return {}


def _fields(row: AccessRequest, answers: Mapping[str, Any]) -> extension_fields.Given:
    """What extensions ask for, where all that is required was answered, and fits; else nothing of it is taken."""
    if not extension_fields.still_missing(row):
        return {}
    try:
        found = extension_fields.from_answers(row, answers)
        return {} if extension_fields.missing_at(row.resource, found) else found
    except (FieldError, ExtensionFault):
        return {}


def cancel(asked: Asked) -> dict[str, Any]:
    """Withdraw the access request, if it still waits. What was decided stays decided.

    > on success, the server MUST acknowledge the request with an empty result. […] Cancellation is cooperative
    """
    task, now = _own(asked), asked.caller.moment
    if request_answers.outcome_of(task.access_request, now) == "waiting":
        voting.withdraw(task.access_request, by=asked.caller.person or asked.caller.client, now=now)
        McpTask.objects.filter(pk=task.pk).update(updated=now)
    return {}


METHODS = {"tasks/get": get, "tasks/update": update, "tasks/cancel": cancel}


def require_extension(client: Envelope) -> None:
    """> Servers MUST return this error for non-declaring clients issuing tasks/get, tasks/update, and tasks/cancel
    > requests. (Tasks, “Protocol Errors”)
    """
    if not client.has_extension(TASKS):
        data: dict[str, Any] = {"requiredCapabilities": {"extensions": {TASKS: {}}}}
        raise RpcError(RpcCode.MISSING_CAPABILITY, "Missing required client capability", data)


def _own(asked: Asked) -> McpTask:
    """The task that a request names, if it is the caller's. Raises `RpcError`, and `Refused` without its scope.

    > Servers MUST perform authentication and authorization checks on each task-related request to ensure that the
    > client has permission to access a task. (Tasks, “Auth binding”)
    """
    require_extension(asked.envelope)
    require_scope(asked.caller, REQUEST, detail=asked.message.method)
    found = own(asked.caller, asked.message.params.get("taskId"), detail=asked.message.method)
    if found is None:
        raise RpcError(RpcCode.INVALID_PARAMS, "Task not found")
    return found


def stored(*keys: UUID) -> Iterable[McpTask]:
    return McpTask.objects.filter(pk__in=keys).select_related("access_request__client__owner", "access_request__user")


def own(caller: Caller, given: object, *, detail: str) -> McpTask | None:
    """The caller's task of this id. Another's is recorded, and there is none."""
    found = next(iter(stored(key)), None) if (key := _uuid(given)) else None
    if found is None:
        return None
    if (found.client_id, found.user_id) == (caller.client.pk, caller.person.pk if caller.person else None):
        return found
    record(McpReason.TASK_OF_ANOTHER, detail=detail)
    return None


def _uuid(given: object) -> UUID | None:
    try:
        return UUID(given) if isinstance(given, str) else None
    except ValueError:
        return None


def shown(task: McpTask, client: Envelope, now: datetime) -> dict[str, Any]:
    """The `DetailedTask` for this client: with what it can be asked for, if its status is `input_required`."""
    row = task.access_request
    item = request_answers.as_item(row, now)
    status, more = _status(task, row, client, item["outcome"], now)
    return {
        "taskId": str(task.pk),
        "status": status,
        "statusMessage": request_answers.sentence(item),
        "createdAt": _written(task.created),
        "lastUpdatedAt": _written(max(filter(None, (task.updated, row.decided)))),
        "ttlMs": int((task.expires - task.created).total_seconds() * 1000),
        "pollIntervalMs": POLLING_INTERVAL * 1000,
        **more,
    }


def _status(
    task: McpTask, row: AccessRequest, client: Envelope, outcome: str, now: datetime
) -> tuple[str, dict[str, Any]]:
    """> The failed status MUST NOT be used to represent non-JSON-RPC errors, such as a tool result that completed with
    > isError: true.

    So a denial completes, as a result with `isError`; what no one answered fails.
    """
    if outcome == "cancelled":
        return "cancelled", {}
    if outcome == "lapsed" or (outcome == "waiting" and task.expires <= now):
        return "failed", {"error": {"code": LAPSED, "message": "No one answered the request in time."}}
    if outcome == "waiting":
        wanted = {key: asked for key, asked in _inputs(task, row).items() if client.can_elicit(asked["params"]["mode"])}
        return ("input_required", {"inputRequests": wanted}) if wanted else ("working", {})
    return "completed", {"result": {"resultType": "complete", **results.done(request_answers.answer(row, now))}}


def _inputs(task: McpTask, row: AccessRequest) -> dict[str, Any]:
    """All that is still asked of the client, by key."""
    wanted: dict[str, Any] = {}
    missing = extension_fields.still_missing(row) if task.wants_reason else []
    if task.wants_reason and (missing or not row.reason):
        wanted |= elicitations.for_details(_reason_key(task), row.resource, missing, reason=not row.reason)
    if task.wants_page:
        wanted |= elicitations.for_page(row)
    return wanted


def _reason_key(task: McpTask) -> str:
    """> Each request key in inputRequests MUST be unique over the lifetime of a single task."""
    return f"{elicitations.REASON}-{task.round}"


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
