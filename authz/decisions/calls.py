"""The decision on one call of a tool, under a token that was issued before.

The rules, the approvals and the token's authorization are as of now; the sign-in is as old as it was when the token was
issued, and networks count for nothing, as at introspection (`evaluation.still_allowed`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from authz.approvals import access_requests
from authz.decisions.evaluation import as_of_issue, evaluate_anywhere
from authz.policy import AccessQuestion, Decision, DecisionReason, Outcome, ToolCall
from authz.protocol import canonical_json

LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is to be called at an MCP server.

    tool       None for a request that calls no tool, such as `tools/list`.
    method     of the Model Context Protocol.
    scopes     that the MCP server says the call needs; None if it doesn't say.
    shown      of the arguments, the members that the audit and approvers may see, by their path.
    """

    tool: ToolCall | None
    method: str
    scopes: tuple[str, ...] | None = None
    shown: Mapping[str, object] | None = None


def digest_of(resource: str, tool: str, arguments: Mapping[str, Any] | None) -> str:
    """What one call is, as one value; "" where the arguments aren't known, since no approval could be for them."""
    if arguments is None:
        return ""
    return canonical_json.digest({"resource": resource, "tool": tool, "arguments": arguments})


def shown_of(arguments: Mapping[str, Any] | None, paths: Sequence[str]) -> dict[str, object]:
    """Of the arguments the members at these paths, as text of bounded length or numbers; never a whole object."""
    found = {path: _at(arguments, path.split(".")) for path in paths} if arguments else {}
    return {path: _short(value) for path, value in found.items() if value is not _NOTHING}


_NOTHING = object()


def _at(container: object, path: Sequence[str]) -> object:
    for name in path:
        if not isinstance(container, Mapping) or name not in container:
            return _NOTHING
        container = container[name]
    return container


def _short(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value if len(value) <= LONGEST_SHOWN else f"{value[: LONGEST_SHOWN - 1]}…"
    return "{…}" if isinstance(value, Mapping) else "[…]" if isinstance(value, list) else str(value)


def missing_scopes(question: AccessQuestion, call: Call) -> list[str]:
    """The scopes that the call needs and its token doesn't have."""
    held = question.scope_names()
    return [name for name in call.scopes or () if name not in held]


def decide_call(question: AccessQuestion, call: Call, *, issued_at: float, now: float) -> Decision:
    """The decision on a call by the holder of a token. `question` has the token's scopes.

    Where the MCP server says which scopes the call needs, all of them have to be granted.
    """
    scopes = question.scopes
    if call.scopes is not None:
        scopes = tuple(scope for scope in scopes if scope[0] in call.scopes)
    asked = as_of_issue(replace(question, tool=call.tool, scopes=scopes), issued_at=issued_at, now=now)
    decision = evaluate_anywhere(asked, now)
    if decision.effect is Outcome.ALLOW and not set(call.scopes or ()) <= set(decision.scopes):
        return replace(decision, effect=Outcome.DENY, reason=DecisionReason.NO_RULE_ALLOWS, scopes=())
    return decision


def use_up(decision: Decision, now: float) -> bool:
    """Use the approvals of one call that an allowed decision rests on, each once. Inside `unit_of_work()`.

    False: another call was quicker, and this one has to be decided anew. One conditional statement each (invariant 3).
    """
    moment = datetime.fromtimestamp(now, UTC)
    return all(access_requests.use(pk, moment) for pk in decision.approvals)
