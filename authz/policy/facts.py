"""A question as the audit keeps it, so that the decision on it can be replayed: what the columns of an event don't say.

Nothing that is at its default is written, since it is written with every token.
"""

from collections.abc import Collection, Container, Mapping
from decimal import Decimal
from typing import Any

from authz.policy.arguments import Absent, at_path, is_comparable
from authz.policy.match import Match
from authz.policy.question import AccessQuestion, Actor, ClientKind, ClientStatus
from authz.policy.tool_calls import ToolCall
from authz.policy.unusual import Unusual, in_order

# Of an argument's text; a longer one isn't kept, and a replay takes it as not known.
MAX_TEXT = 200


def facts_of(question: AccessQuestion, groups: Container[str], members: Collection[str] = ()) -> dict[str, object]:
    """The facts of a question. Of the person's groups those in `groups`: the ones that rules name. A directory may
    put a person into hundreds, and no decision depends on the others. Of a call's arguments the `members` that rules
    name (`RuleSet.members`), by path, and no other.
    """
    facts: dict[str, object] = {
        "user": question.subject,
        "groups": [name for name in question.groups if name in groups],
        "kind": "" if question.client_kind == ClientKind.REGISTERED else question.client_kind.value,
        "host": question.client_host,
        "tags": list(question.client_tags),
        "owner": question.client_owner,
        "environment": question.client_environment,
        "through": [_facts_of_actor(actor) for actor in question.through],
        "grant_type": question.grant_type,
        "refresh": question.refresh,
        "scopes": [list(scope) for scope in question.scopes],
        "acr": question.acr,
        "amr": list(question.amr),
        "auth_time": question.auth_time,
        "labels": list(question.labels or ()),
        "labels_unknown": question.labels is None,
        "scope_labels": [list(pair) for pair in question.scope_labels if pair[0] in question.scope_names()],
        "tool_labels": list(question.tool_labels),
        "asks_before_calls": question.asks_before_calls,
        "tool": _facts_of_call(question.tool, members),
        "extensions": [[key, match.value] for key, match in question.extensions],
    }
    kept = {name: value for name, value in facts.items() if value}
    # A person who isn't known is no machine.
    return {"user": "", **kept} if question.subject == "" else kept


def _facts_of_actor(actor: Actor) -> dict[str, object]:
    facts: dict[str, object] = {
        "client_id": actor.client_id,
        "kind": "" if actor.kind == ClientKind.REGISTERED else actor.kind.value,
        "host": actor.host,
        "tags": list(actor.tags),
        "owner": actor.owner,
        "environment": actor.environment,
    }
    return {name: value for name, value in facts.items() if value}


def _actor_from(facts: Mapping[str, Any]) -> Actor:
    return Actor(
        client_id=facts["client_id"],
        kind=ClientKind(facts.get("kind", ClientKind.REGISTERED)),
        host=facts.get("host", ""),
        tags=tuple(facts.get("tags", ())),
        owner=facts.get("owner", ""),
        environment=facts.get("environment", ""),
    )


def _facts_of_call(tool: ToolCall | None, members: Collection[str]) -> dict[str, object]:
    if tool is None:
        return {}
    facts: dict[str, object] = {"name": tool.name, "digest": tool.digest}
    if tool.labels is not None:
        facts["labels"] = sorted(tool.labels)
    if tool.arguments is not None:
        found = {path: at_path(tool.arguments, path) for path in sorted(members)}
        facts["arguments"] = {path: _kept(value) for path, value in found.items() if value is not Absent.MISSING}
        # So that a member that the call did not have is told from one that is not recorded.
        if missing := [path for path, value in found.items() if value is Absent.MISSING]:
            facts["missing"] = missing
    if tool.unusual is not None:
        facts["unusual"] = in_order(tool.unusual)
    return {name: value for name, value in facts.items() if value != ""}


def _kept(value: object) -> object:
    """A value as JSON, from which `_nested` makes one that conditions match alike; null establishes nothing."""
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else None
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        # One that conditions can't compare may have a million digits.
        written = str(value) if is_comparable(value) else "NaN"
        return {"number": written if len(written) <= MAX_TEXT else "NaN"}
    return [] if isinstance(value, list | Mapping) else None


def _call_from(facts: Mapping[str, Any]) -> ToolCall:
    labels, kept, unusual = facts.get("labels"), facts.get("arguments"), facts.get("unusual")
    return ToolCall(
        name=facts["name"],
        labels=None if labels is None else frozenset(labels),
        arguments=None if kept is None else _nested(kept),
        digest=facts.get("digest", ""),
        recorded=None if kept is None else _recorded(kept, facts.get("missing", ())),
        unusual=None if unusual is None else frozenset(map(Unusual, unusual)),
    )


def _recorded(kept: Mapping[str, Any], missing: Collection[str]) -> frozenset[str]:
    # null stands for a text that was too long as well.
    return frozenset(missing) | {path for path, value in kept.items() if value is not None}


def _nested(kept: Mapping[str, Any]) -> dict[str, object]:
    arguments: dict[str, Any] = {}
    # The shorter path first: what has named members of its own is an object, whatever was kept of it.
    for path, value in sorted(kept.items()):
        *way, last = path.split(".")
        container = arguments
        for name in way:
            if not isinstance(container.get(name), dict):
                container[name] = {}
            container = container[name]
        container[last] = Decimal(value["number"]) if isinstance(value, dict) else value
    return arguments


def question_from(facts: Mapping[str, Any], *, client_id: str, resource: str, address: str) -> AccessQuestion:
    """The question that `facts_of` wrote. The client was approved then: others are refused before the rules."""
    return AccessQuestion(
        client_id=client_id,
        client_status=ClientStatus.APPROVED,
        client_kind=ClientKind(facts.get("kind", ClientKind.REGISTERED)),
        client_host=facts.get("host", ""),
        client_tags=tuple(facts.get("tags", ())),
        client_owner=facts.get("owner", ""),
        client_environment=facts.get("environment", ""),
        through=tuple(_actor_from(actor) for actor in facts.get("through", ())),
        subject=facts.get("user"),
        groups=tuple(facts.get("groups", ())),
        grant_type=facts["grant_type"],
        refresh=facts.get("refresh", False),
        resource=resource,
        scopes=tuple((name, sensitivity) for name, sensitivity in facts.get("scopes", ())),
        acr=facts.get("acr"),
        amr=tuple(facts.get("amr", ())),
        auth_time=facts.get("auth_time"),
        address=address or None,
        labels=None if facts.get("labels_unknown") else tuple(facts.get("labels", ())),
        scope_labels=tuple((name, label) for name, label in facts.get("scope_labels", ())),
        tool_labels=tuple(facts.get("tool_labels", ())),
        asks_before_calls=facts.get("asks_before_calls", False),
        tool=_call_from(facts["tool"]) if "tool" in facts else None,
        extensions=tuple((key, Match(value)) for key, value in facts.get("extensions", ())),
    )
