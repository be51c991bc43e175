"""What extensions answer to the conditions of rules, put into the question before the engine decides.

Only rules that name an extension cost anything, and only where all else that they name fits the question: without one
it passes as it is. So an extension that hangs or fails is not noticed where no rule about it could count.
"""

from dataclasses import replace
from typing import Any

from authz.approvals import access_requests
from authz.extensions import ExtensionFault, active
from authz.policy import AccessQuestion, RuleSet
from authz.policy.match import NO, NOT_ESTABLISHED, YES, Match


def answered(question: AccessQuestion, rules: RuleSet, now: float, *, anywhere: bool = False) -> AccessQuestion:
    """The question with the answers to the conditions that rules about it put to extensions.

    anywhere  rules about any MCP server count, as for a sign-in. So it is for a question without one.
    """
    conditions = rules.extension_conditions(question, anywhere=anywhere or not question.resource)
    if not conditions:
        return question
    answers = [(one.key, _answer(one.identifier, one.wanted(), question, now)) for one in conditions]
    return replace(question, extensions=tuple(answers))


def _answer(identifier: str, wanted: dict[str, Any], question: AccessQuestion, now: float) -> Match:
    """A fault establishes nothing: so a permission does not apply, and a restriction does."""
    try:
        extension = active(identifier)
        if extension.brought.condition is None:
            raise extension.fault("condition", "it has none")
        asked = facts(question, now)
        if extension.brought.fields:
            given = access_requests.given_for(question, now)
            asked["approved"] = [plain(fields[identifier]) for fields in given if identifier in fields]
        found = extension.call("condition", asked, wanted)
        if found is None:
            return NOT_ESTABLISHED
        # Attack: a text such as "no", or 1, that reads as true.
        if not isinstance(found, bool):
            raise extension.fault("condition", f"it answered {type(found).__name__}, not True, False or None")
    except ExtensionFault:
        return NOT_ESTABLISHED
    return YES if found else NO


def facts(question: AccessQuestion, now: float) -> dict[str, Any]:
    """What an extension learns of a question: plain data, made for it."""
    tool = question.tool
    return {
        "now": now,
        "agent": {
            "client_id": question.client_id,
            "kind": question.client_kind.value,
            "host": question.client_host,
            "tags": list(question.client_tags),
            "owner": question.client_owner,
            "environment": question.client_environment,
        },
        "person": question.subject,
        "groups": list(question.groups),
        "grant_type": question.grant_type,
        "resource": question.resource,
        "scopes": list(question.scope_names()),
        "acr": question.acr,
        "amr": list(question.amr),
        "auth_time": question.auth_time,
        "address": question.address,
        "approved": [],
        "tool": None
        if tool is None
        else {
            "name": tool.name,
            "labels": None if tool.labels is None else sorted(tool.labels),
            "arguments": None if tool.arguments is None else plain(tool.arguments),
        },
    }


def plain(value: Any) -> Any:
    """A copy of what JSON holds."""
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value
