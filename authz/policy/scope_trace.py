"""What became of each scope of a question, by which rules, and that in a sentence."""

from collections.abc import Iterable
from dataclasses import dataclass

from authz.policy.decision import Decision, DecisionReason, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeTrace:
    """One scope of one question.

    effect, reason  the answer to the same question about this scope alone.
    decided_by      names of the rules that made that answer; of a better sign-in the rule that asks for it.
    is_held_back    whether the scope by itself would be granted, and the call is refused as a whole.
    denied_by, held_by, permitted_by   names of all the rules that deny it, make it wait, and permit it.
    """

    name: str
    sensitivity: str
    effect: Outcome
    reason: DecisionReason
    decided_by: tuple[str, ...]
    is_held_back: bool
    denied_by: tuple[str, ...]
    held_by: tuple[str, ...]
    permitted_by: tuple[str, ...]


def deciding(alone: Decision, held_by: tuple[str, ...]) -> tuple[str, ...]:
    """The rules that made the answer about one scope."""
    if alone.reason is DecisionReason.STEP_UP_NEEDED and alone.step_up is not None:
        return (alone.step_up.rule,)
    return held_by if alone.reason is DecisionReason.APPROVAL_DECLINED else alone.rules


def scope_sentence(scope: ScopeTrace) -> str:
    """What became of the scope, by which rule, such as `denied by “No writing”, which outweighs “Engineers write”`."""
    by = _quoted(scope.decided_by)
    match scope.reason:
        case DecisionReason.ALLOWED | DecisionReason.NARROWED:
            approved = " after an approval" if set(scope.decided_by) & set(scope.held_by) else ""
            granted = f"permitted by {by}{approved}"
            return f"not granted: {granted}, but a call is decided as a whole" if scope.is_held_back else granted
        case DecisionReason.APPROVAL_NEEDED:
            return f"waits for an approval, which {by} {_verb(scope.decided_by, 'requires', 'require')}"
        case DecisionReason.APPROVAL_DECLINED:
            return f"not granted: an approver declined what {by} {_verb(scope.decided_by, 'asks', 'ask')} for"
        case DecisionReason.DENIED_BY_RULE:
            others = [name for name in scope.permitted_by if name not in scope.decided_by]
            return f"denied by {by}" + (f", which outweighs {_quoted(others)}" if others else "")
        case DecisionReason.STEP_UP_NEEDED:
            return f"not granted: {by} would permit it after a stronger or fresher sign-in"
        case DecisionReason.CLIENT_NOT_APPROVED:
            return "not granted: the agent is not approved, so no rule is asked"
        case _:
            return "not granted: no rule permits it"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)


def _verb(names: tuple[str, ...], one: str, many: str) -> str:
    return one if len(names) == 1 else many
