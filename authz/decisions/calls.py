"""The decision on one call of a tool, under a token that was issued before.

The rules, the approvals and the token's authorization are as of now; the sign-in is as old as it was when the token was
issued, and networks count for nothing, as at introspection (`evaluation.still_allowed`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from authz.approvals import access_requests
from authz.decisions.evaluation import as_of_issue, evaluate_anywhere
from authz.decisions.rules import cached_rules_anywhere
from authz.policy import AccessQuestion, Decision, DecisionReason, Outcome, RuleSet, ToolCall, Unusual
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

    def measured(self, unusual: frozenset[Unusual]) -> "Call":
        """The same, knowing what is unusual about it."""
        if self.tool is None:
            return self
        tool = ToolCall(
            name=self.tool.name,
            labels=self.tool.labels,
            arguments=self.tool.arguments,
            digest=self.tool.digest,
            unusual=unusual,
        )
        return Call(tool=tool, method=self.method, scopes=self.scopes, shown=self.shown)


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
    if call.scopes is None:
        return []
    held = question.scope_names()
    return [name for name in call.scopes if name not in held]


def decide_call(question: AccessQuestion, call: Call, *, issued_at: float, now: float) -> Decision:
    """The decision on a call by the holder of a token. `question` has the token's scopes, and this call.

    Where the MCP server says which scopes the call needs, all of them have to be granted.
    """
    if call.scopes is not None:
        question = replace(question, scopes=tuple(scope for scope in question.scopes if scope[0] in call.scopes))
    asked = as_of_issue(question, issued_at=issued_at, now=now)
    decision = evaluate_anywhere(asked, now)
    if decision.effect is Outcome.ALLOW and not set(call.scopes or ()) <= set(decision.scopes):
        return replace(decision, effect=Outcome.DENY, reason=DecisionReason.NO_RULE_ALLOWS, scopes=())
    return decision


def shows_live_token(
    decision: Decision | None, held: Collection[str], rules: RuleSet | None = None, *, is_bound: bool
) -> bool:
    """Whether an allowed call says that its token, with the scopes `held`, is still allowed as a whole too, so that the
    rules need not be asked twice (a property in tests/policy/test_tool_calls.py). `rules`: those that are in force.

    At a server that asks before each call, rules that speak of calls take nothing from a token
    (docs/decisions/0095-rules-that-speak-of-tools.md). An approval may be one of this call alone, though, and an
    extension may answer for this call alone.
    """
    if decision is None or decision.effect is not Outcome.ALLOW or decision.approvals:
        return False
    # Of the rules that permit a token more may want it bound to a key than of those that permit the call.
    if (rules or cached_rules_anywhere()).wants_proofs and not is_bound:
        return False
    question = decision.question
    if question is None or question.extensions or not question.asks_before_calls:
        return False
    return set(decision.scopes).issuperset(held)


def use_up(decision: Decision, now: float) -> bool:
    """Use the approvals of one call that an allowed decision rests on, each once. Inside `unit_of_work()`.

    False: another call was quicker, and this one has to be decided anew. One conditional statement each (invariant 3).
    """
    moment = datetime.fromtimestamp(now, UTC)
    return all(access_requests.use(pk, moment) for pk in decision.approvals)
