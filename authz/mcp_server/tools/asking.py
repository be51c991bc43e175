"""Asking for access: what an approver, or those who answer for the MCP server, then decide in the console."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from authz import decisions
from authz.approvals import access_requests, extension_fields, rule_requests
from authz.approvals.extension_fields import AskedField, FieldError
from authz.approvals.told_extensions import extensions_for
from authz.configuration.mcp_resource import REQUEST
from authz.decisions import calls
from authz.extensions import ExtensionFault
from authz.limits import rate_limits
from authz.mcp_server import elicitations, request_answers, tasks
from authz.mcp_server.request_answers import REQUEST_ITEM
from authz.mcp_server.schemas import choice, takes, text, texts
from authz.mcp_server.subject import WHOSE, Subject, scopes_of, server_of, subject_of, with_tool
from authz.mcp_server.tool import Call, Done, NeedsInput, Outcome, Tool, ToolError
from authz.mcp_server.tools.explaining import BECAUSE, CALL_ARGUMENTS
from authz.models import AccessRequest, Authorization, ProtectedResource
from authz.policy import AccessQuestion, Decision
from authz.policy import Outcome as Effect
from authz.protocol.errors import OAuthError, Reason
from authz.resources import labels_of_tool, shown_arguments_of

LASTS = ("1h", "8h", "1d", "7d", "30d")


def request_access(call: Call) -> Outcome:
    """Ask, and answer with what came of it: nothing had to be asked, or a request waits (as a task, where the client
    can follow one).
    """
    caller, given = call.caller, call.arguments
    subject, server = subject_of(caller, given), server_of(given)
    question = with_tool(subject.question(server, _scopes(given, subject, server), caller.now), given)
    question, decision = _missing(question, caller.now)
    if decision.effect is Effect.ALLOW:
        return _allowed(server, decision)
    if decision.effect is Effect.DENY and not _may_be_asked(question, decision):
        return _refused(server, decision)
    open_one = _open_one(question, decision, call)
    reason = given.get("reason", "") or elicitations.reason_of(call.responses)
    wants_reason = not reason and (open_one is None or not open_one.reason)
    fields, wanted = _fields(server, open_one, call)
    if (wants_reason or wanted) and not (
        tasks.can_follow(call.client) and (not wanted or call.client.can_elicit("form"))
    ):
        # > Servers MUST NOT send an inputRequests that the client has not declared support for in its capabilities.
        if not call.client.can_elicit("form") or (is_given(call) and not wants_reason):
            raise ToolError(_lacks(wanted, wants_reason=wants_reason))
        if elicitations.is_declined(call.responses):
            raise ToolError("It was not said, so nothing was asked.")
        return NeedsInput(elicitations.for_details(elicitations.REASON, server, wanted, reason=wants_reason))
    row = _opened(question, decision, call, server)
    if fields:
        _give(row, call, fields)
    if reason:
        access_requests.add_justification(row, by=caller.person or caller.client, reason=reason, now=caller.moment)
        row.refresh_from_db()
    if tasks.can_follow(call.client):
        return tasks.opened(row, caller)
    if call.client.can_elicit("url") and elicitations.PAGE not in call.responses:
        return NeedsInput(elicitations.for_page(row))
    return request_answers.answer(row, caller.moment)


def _scopes(given: Mapping[str, Any], subject: Subject, server: ProtectedResource) -> list[str]:
    """The scopes that are asked for. A call needs those that the agent has there: its approval is for its token."""
    if "tool" not in given or "scopes" in given:
        return scopes_of(given, server)
    rows = Authorization.objects.filter(subject.of_its_own(), resource=server, revoked=None)
    held = {name for row in rows for name in row.scopes}
    return [name for name in scopes_of(given, server) if name in held] or scopes_of(given, server)


def _missing(question: AccessQuestion, now: float) -> tuple[AccessQuestion, Decision]:
    """The decision; where a part is allowed and nothing waits, that on the rest."""
    decision = decisions.evaluate(question, now)
    rest = tuple(scope for scope in question.scopes if scope[0] not in decision.scopes)
    if decision.effect is not Effect.ALLOW or not rest:
        return question, decision
    question = replace(question, scopes=rest)
    return question, decisions.evaluate(question, now)


def _fields(
    server: ProtectedResource, open_one: AccessRequest | None, call: Call
) -> tuple[extension_fields.Given, list[AskedField]]:
    """What extensions ask for (docs/extensions.md), as far as it is given: and what is required and missing. Raises
    `ToolError` for what does not fit, and where an extension fails.
    """
    given, asked = call.arguments.get("fields"), extension_fields.asked_at(server.identifier)
    if given is None:
        answered = elicitations.details_of(call.responses)
        given = {}
        for one in asked:
            if one.key in answered:
                given.setdefault(one.identifier, {})[one.field.name] = answered[one.key]
    try:
        found = extension_fields.taken(server.identifier, given, is_whole=False)
        extensions_for(server.identifier)
    except FieldError as problem:
        raise ToolError(f"fields: {problem}") from None
    except ExtensionFault as fault:
        raise ToolError(f"It cannot be asked at present: {fault}") from None
    if open_one is not None and not found:
        return {}, extension_fields.still_missing(open_one)
    return found, [one for one in asked if one.field.required and one.field.name not in found.get(one.identifier, {})]


def is_given(call: Call) -> bool:
    """Whether the caller itself says what extensions ask for, and no person is asked."""
    return "fields" in call.arguments


def _lacks(wanted: list[AskedField], *, wants_reason: bool) -> str:
    if wants_reason and not wanted:
        return "reason: is missing. Say why the work needs this access; a person reads it."
    labels, keys = ", ".join(one.field.label for one in wanted), ", ".join(one.key for one in wanted)
    return f"fields: It lacks what has to be said: {labels}. Give them by extension and name: {keys}."


def _give(row: AccessRequest, call: Call, fields: extension_fields.Given) -> None:
    caller = call.caller
    try:
        extension_fields.give(row, by=caller.person or caller.client, given=fields, now=caller.moment)
    except FieldError as problem:
        raise ToolError(f"fields: {problem}") from None


def _may_be_asked(question: AccessQuestion, decision: Decision) -> bool:
    return question.tool is None and rule_requests.is_askable(question, decision)


def _open_one(question: AccessQuestion, decision: Decision, call: Call) -> AccessRequest | None:
    if decision.effect is Effect.DENY:
        return rule_requests.find(question, call.caller.moment)
    return access_requests.find_same(question, decision, call.caller.moment)


def _opened(question: AccessQuestion, decision: Decision, call: Call, server: ProtectedResource) -> AccessRequest:
    """The open request: the one there is, or a new one. Raises `ToolError`.

    Attack: a flood of requests. Each attempt counts, also one that finds the request which is open already.
    """
    caller, given = call.caller, call.arguments
    try:
        rate_limits.of_asker("mcp_ask:asker", caller.client.client_id, caller.token.subject)
    except OAuthError as error:
        raise ToolError(f"Too many requests for access: try again in {error.retry_after} seconds.") from None
    more = {"through": caller.client.client_id, **({"wanted": given["lasts"]} if "lasts" in given else {})}
    try:
        if decision.effect is Effect.DENY:
            return decisions.open_rule_request(question, decision, **more)
        return decisions.open_request(question, decision, _shown(question, given, server), **more)
    except OAuthError as error:
        if error.reason is Reason.RATE_LIMITED:
            raise ToolError(f"Not now: {error.detail}. Withdraw some, or wait until they are decided.") from None
        raise ToolError(f"It cannot be asked: {error.detail or error.sentence}.") from None


def _shown(
    question: AccessQuestion, given: Mapping[str, Any], server: ProtectedResource
) -> Mapping[str, object] | None:
    if question.tool is None:
        return None
    labels = sorted(labels_of_tool(server, question.tool.name) or ())
    shown = calls.shown_of(given.get("arguments"), shown_arguments_of(server))
    return {"tool": question.tool.name, "labels": labels, "shown": shown}


def _allowed(server: ProtectedResource, decision: Decision) -> Done:
    told = f"Nothing has to be asked: the rules allow {' '.join(decision.scopes)}. Get a token with these scopes."
    return Done(told, _nothing_asked(server, decision, "allowed"))


def _refused(server: ProtectedResource, decision: Decision) -> Done:
    return Done(BECAUSE[decision.reason], _nothing_asked(server, decision, "refused"), is_error=True)


def _nothing_asked(server: ProtectedResource, decision: Decision, outcome: str) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "request": None,
        "address": None,
        "server": server.identifier,
        "scopes": [],
        "granted": list(decision.scopes),
        "until": None,
        "who_decides": "",
        "comment": "",
    }


TOOLS = (
    Tool(
        name="request_access",
        title="Request access",
        description=(
            "Ask the people who decide for access to an MCP server, or for one call of one of its tools. Answers with"
            " a task where the client can follow one, else with the request and its page. What is allowed already is"
            " not asked for. Say in `reason` why the work needs it: a person reads that."
        ),
        scope=REQUEST,
        takes=takes(
            ("server",),
            server=text("The URL of the MCP server, as its metadata says it."),
            scopes=texts("The scopes, such as those of an insufficient_scope error; left out: all."),
            tool=text("Ask for one call of this tool, with exactly these `arguments`.", 128),
            arguments=CALL_ARGUMENTS,
            reason=text("Why the work needs it, in the person’s language.", access_requests.LONGEST_TEXT),
            fields={
                "type": "object",
                "description": "What the MCP server’s extensions ask for: {extension id: {name: value}}.",
                "additionalProperties": {"type": "object"},
            },
            lasts=choice("For how long it is needed. The approver decides.", *LASTS),
            **WHOSE,
        ),
        answers=REQUEST_ITEM,
        hints={"readOnlyHint": False, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False},
        run=request_access,
    ),
)
