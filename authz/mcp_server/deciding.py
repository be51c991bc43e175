"""Each call of a tool is decided by the rules, as the decision point does it for other MCP servers that ask."""

from collections.abc import Mapping
from typing import Any

from authz import audit, decisions, resources
from authz.database.transactions import unit_of_work
from authz.decisions import calls
from authz.decisions.calls import Call, digest_of, shown_of
from authz.endpoints.decision_point.decided import call_facts
from authz.mcp_server.caller import Caller, registered
from authz.mcp_server.tool import Tool, ToolError
from authz.models import ProtectedResource
from authz.policy import Decision, Outcome, ToolCall
from authz.policy.decision import DecisionReason
from authz.protocol.errors import Reason

_TOLD = {
    Reason.CALL_DENIED: "The organisation’s rules do not allow this call.",
    Reason.CALL_STEP_UP: "The organisation’s rules ask for a better sign-in for this call: sign in again.",
    Reason.CALL_WAITS: (
        "The organisation’s rules ask a person about this call first. Call request_access with this server’s own URL in"
        " `server`, and this `tool` with these `arguments`."
    ),
}


def require(caller: Caller, tool: Tool, arguments: Mapping[str, Any]) -> None:
    """Use up what allows this call. Raises `ToolError` where the rules do not, or a person is asked first."""
    server = registered()
    if server is None:
        raise ToolError(_TOLD[Reason.CALL_DENIED])
    call = _call(server, tool, arguments)
    question = caller.token.question(call.tool)
    decision = calls.decide_call(question, call, issued_at=caller.token.judged_at, now=caller.now)
    reason = _reason(decision)
    if reason is None and decision.approvals:
        with unit_of_work():
            # Once: of two equal calls at the same moment one has it, and the other one waits.
            reason = None if calls.use_up(decision, caller.now) else Reason.CALL_WAITS
    if reason is not None:
        _record(caller, server, call, decision, reason)
        raise ToolError(_TOLD[reason])


def _call(server: ProtectedResource, tool: Tool, arguments: Mapping[str, Any]) -> Call:
    named = ToolCall(
        name=tool.name,
        labels=resources.labels_of_tool(server, tool.name),
        arguments=arguments,
        digest=digest_of(server.identifier, tool.name, arguments),
    )
    shown = shown_of(arguments, resources.shown_arguments_of(server))
    return Call(tool=named, method="tools/call", scopes=(tool.scope,), shown=shown)


def _reason(decision: Decision) -> Reason | None:
    match decision.effect:
        case Outcome.ALLOW:
            return None
        case Outcome.PENDING:
            return Reason.CALL_WAITS
    return Reason.CALL_STEP_UP if decision.reason is DecisionReason.STEP_UP_NEEDED else Reason.CALL_DENIED


def _record(caller: Caller, server: ProtectedResource, call: Call, decision: Decision, reason: Reason) -> None:
    audit.record(
        audit.Event.CALL_HELD if reason is Reason.CALL_WAITS else audit.Event.CALL_DENIED,
        reason=reason,
        client_id=caller.client.client_id,
        subject=caller.token.subject,
        resource=server.identifier,
        authorization=caller.token.authorization.pk,
        detail={"by": "this server", **call_facts(call), **decisions.traced(decision)},
    )
