"""Whether a rule's tools, labels and conditions on calls match a question, one field at a time and in words, for
explanations.

The compiled rules answer the same for all rules at once (`compiled.py`, which says what a question about a token gets).
"""

from decimal import Decimal

from authz.policy.arguments import Absent, at_path, is_comparable, shown
from authz.policy.match import NO, NOT_ESTABLISHED, YES, Match
from authz.policy.question import AccessQuestion
from authz.policy.rules import Effect, Rule
from authz.policy.sentences import all_of_them, unusual_phrase
from authz.policy.tool_calls import ToolCall, is_tool_name, matches_tool
from authz.policy.unusual import in_order

UNKNOWN = "unknown"
_BEFOREHAND = "a token, for calls to come"
_MAX_SHOWN = 60


def tools_match(rule: Rule, question: AccessQuestion) -> Match:
    if rule.tools is None or not rule.tools:
        return YES if rule.tools is None else NO
    if question.tool is None:
        return _for_a_token(rule, question)
    if not is_tool_name(question.tool.name):
        return NOT_ESTABLISHED
    return YES if any(matches_tool(pattern, question.tool.name) for pattern in rule.tools) else NO


def labels_match(rule: Rule, question: AccessQuestion, scope: str) -> Match:
    if rule.labels is None or _has_label(rule, question, scope):
        return YES
    if not rule.labels:
        return NO
    if question.labels is None:
        return NOT_ESTABLISHED
    if question.tool is None:
        return _for_a_token(rule, question) if {*rule.labels} & {*question.tool_labels} else NO
    if question.tool.labels is None:
        return NOT_ESTABLISHED
    return YES if question.tool.labels & {*rule.labels} else NO


def conditions_on_calls(rule: Rule, question: AccessQuestion) -> list[tuple[str, Match]]:
    """What a question about a token gets. Those of a call are among its circumstances (conditions.py)."""
    if question.tool is not None:
        return []
    fields = [field for field in ("arguments", "unusual") if getattr(rule.conditions, field)]
    return [(field, _for_a_token(rule, question)) for field in fields]


def is_decided_at_the_call(rule: Rule, question: AccessQuestion, scope: str) -> bool:
    """Whether a rule says nothing against a token, since each call is asked about."""
    by_call = rule.is_of_calls or not (rule.labels is None or _has_label(rule, question, scope))
    return question.tool is None and question.asks_before_calls and by_call


def _has_label(rule: Rule, question: AccessQuestion, scope: str) -> bool:
    own = {label for name, label in question.scope_labels if name == scope}
    return bool({*(rule.labels or ())} & {*(question.labels or ()), *own}) and question.labels is not None


def _for_a_token(rule: Rule, question: AccessQuestion) -> Match:
    if not question.asks_before_calls:
        return NOT_ESTABLISHED
    return NO if rule.effect is Effect.DENY else YES


def asked(field: str, question: AccessQuestion) -> str:
    """What the question has in one of these fields."""
    tool = question.tool
    match field.partition(".")[0]:
        case "labels":
            if question.labels is None:
                return UNKNOWN
            found = [*question.labels, *(label for _, label in question.scope_labels), *_labels_of_tool(question)]
            return ", ".join(dict.fromkeys(found)) or "no label"
        case "tools":
            return _BEFOREHAND if tool is None else tool.name
        case "extensions":
            return _answers(field.removeprefix("extensions."), question)
    if tool is None:
        return _BEFOREHAND
    if field == "unusual":
        return _unusual(tool)
    return _argument(tool.arguments, field.partition(".")[2]) if tool.arguments is not None else UNKNOWN


def _answers(identifier: str, question: AccessQuestion) -> str:
    given = [match.value for key, match in question.extensions if key.startswith(f"{identifier} ")]
    return f"{identifier} says {', '.join(given) or UNKNOWN}"


def _unusual(tool: ToolCall) -> str:
    if tool.unusual is None:
        return UNKNOWN
    return all_of_them(map(unusual_phrase, in_order(tool.unusual))) or "a usual call"


def _labels_of_tool(question: AccessQuestion) -> tuple[str, ...]:
    if question.tool is None:
        return question.tool_labels
    return (
        (f"{question.tool.name}: {UNKNOWN}",) if question.tool.labels is None else tuple(sorted(question.tool.labels))
    )


def _argument(arguments: object, path: str) -> str:
    value = at_path(arguments, path)
    if isinstance(value, Absent):
        return "not given" if value is Absent.MISSING else "ambiguous"
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and not is_comparable(value):
        return "a number beyond what is comparable"
    if isinstance(value, str | bool | int | Decimal):
        said = shown(value)
        return said if len(said) <= _MAX_SHOWN else f"{said[:_MAX_SHOWN]}…"
    return "null" if value is None else "an object or a list"
