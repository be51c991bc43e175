"""The law of `decide`, written once more as plainly as it can be said: rule by rule, scope by scope, in three values.

It shares no line with `authz/policy`: True is yes, False is no, None is not established.
"""

import ipaddress
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from authz.policy import AccessQuestion, Approval, Conditions, Hours, Rule


def outcome(
    question: AccessQuestion, rules: list[Rule], now: float, approvals: list[Approval]
) -> tuple[str, tuple[str, ...]]:
    """("allow", granted), ("pending", waiting) or ("deny", ())."""
    if question.client_status != "approved":
        return "deny", ()
    fates = {name: fate(question, name, rules, now, approvals) for name, _ in question.scopes}
    if question.tool and {"denied", "declined"} & {*fates.values()}:
        return "deny", ()
    waiting = tuple(name for name, its in fates.items() if its == "waits")
    granted = tuple(name for name, its in fates.items() if its == "granted")
    if waiting:
        return "pending", waiting
    return ("allow", granted) if granted else ("deny", ())


def fate(question: AccessQuestion, scope: str, rules: list[Rule], now: float, approvals: list[Approval]) -> str:
    permits: list[Rule] = []
    restricts: list[Rule] = []
    for rule in rules:
        for said, by in ((permits, True), (restricts, False)):
            verdict = all_of(
                [
                    on_scope(rule, question, scope),
                    on_path(rule, question, by),
                    *fields(rule, question, now),
                    *at_call(rule, question, scope, by),
                ]
            )
            if verdict is True or (verdict is None and not by):
                said.append(rule)
    if any(rule.effect == "deny" for rule in restricts):
        return "denied"
    permits = [rule for rule in permits if rule.effect != "deny"]
    if not permits:
        return "not permitted"
    asking = [rule for rule in restricts if rule.effect == "require_approval"]
    if not asking:
        return "granted"
    answers = [approval for approval in approvals if answers_ask(approval, question, now)]
    if question.tool and any(is_by_call(rule, question, scope) for rule in asking):
        covering = [approval for approval in answers if approval.call]
    else:
        covering = answers
    if any(scope in approval.scopes for approval in covering):
        return "granted"
    return "declined" if any(scope in approval.declined for approval in answers) else "waits"


def is_by_call(rule: Rule, question: AccessQuestion, scope: str) -> bool:
    """Whether it takes the call to know that a rule matches."""
    return speaks_of_calls(rule) or not has_label(rule, question, scope)


def speaks_of_calls(rule: Rule) -> bool:
    return rule.tools is not None or bool(rule.conditions.arguments) or bool(rule.conditions.unusual)


def has_label(rule: Rule, question: AccessQuestion, scope: str) -> bool:
    if question.labels is None:
        return rule.labels is None
    own = [label for name, label in question.scope_labels if name == scope]
    return rule.labels is None or any(label in rule.labels for label in [*(question.labels or ()), *own])


def at_call(rule: Rule, question: AccessQuestion, scope: str, permitting: bool) -> list[bool | None]:
    """What a rule's tools, labels and arguments say, of a rule as one that permits or as one that restricts."""
    if () in (rule.tools, rule.labels):
        return [False]
    tool = question.tool
    unknown: list[bool | None] = [None] if rule.labels and question.labels is None else []
    if tool is None:
        if unknown:
            by_call = speaks_of_calls(rule)
            return unknown if not by_call or permitting else [None if not question.asks_before_calls else False]
        if has_label(rule, question, scope) or not set(rule.labels or ()) & set(question.tool_labels):
            labelled = has_label(rule, question, scope)
            by_call = speaks_of_calls(rule)
        else:
            labelled = by_call = True
        if not by_call:
            return [labelled]
        return [labelled, permitting if question.asks_before_calls else not permitting]
    verdicts: list[bool | None] = [argument(tool.arguments, path, op, value) for path, op, value in asked_of(rule)]
    if rule.conditions.unusual:
        known = None if tool.unusual is None else set(tool.unusual)
        verdicts.append(None if known is None else any(kind in known for kind in rule.conditions.unusual))
    if rule.tools is not None:
        named = any(name == tool.name or (name[-1] == "*" and tool.name.startswith(name[:-1])) for name in rule.tools)
        verdicts.append(named if tool.name.isascii() else None)
    verdicts += unknown
    if not unknown and not has_label(rule, question, scope):
        verdicts.append(None if tool.labels is None else bool(tool.labels & set(rule.labels or ())))
    return verdicts


def asked_of(rule: Rule) -> list[tuple[str, str, object]]:
    return [(wanted.path, op, value) for wanted in rule.conditions.arguments for op, value in wanted.wanted]


def argument(arguments: object, path: str, op: str, value: object) -> bool | None:
    """For the few arguments of strategies.py."""
    found: object = arguments
    for name in path.split("."):
        if not isinstance(found, dict) or (name == "amount" and "Amount" in found and "amount" in found):
            return None
        # Another spelling of the name may be meant.
        if name not in found:
            return None if name == "amount" and "Amount" in found else absent(op, value)
        found = found[name]
    if op == "present":
        return None if found is None else bool(value)
    if isinstance(value, str | tuple):
        texts = [value] if isinstance(value, str) else list(value)
        if not isinstance(found, str):
            return None
        if op == "prefix":
            return None if ".." in found else found.startswith(texts[0])
        return True if found in texts else None if found.upper() in texts else False
    if isinstance(found, bool) or not isinstance(found, int | Decimal) or found == 2**60:
        return None
    return found < value if op == "below" else found >= value  # type: ignore[operator] # a number of the rule


def absent(op: str, value: object) -> bool | None:
    return (not value) if op == "present" else None


def answers_ask(approval: Approval, question: AccessQuestion, now: float) -> bool:
    same = (approval.client_id, approval.subject, approval.resource, approval.through) == (
        question.client_id,
        question.subject,
        question.resource,
        tuple(actor.client_id for actor in question.through),
    )
    if approval.call and (question.tool is None or question.tool.digest != approval.call):
        return False
    by = question.grant_type in approval.grant_types or "*" in approval.grant_types
    return same and by and approval.not_before <= now and now < approval.expires


def all_of(verdicts: list[bool | None]) -> bool | None:
    if False in verdicts:
        return False
    return None if None in verdicts else True


def fields(rule: Rule, question: AccessQuestion, now: float) -> list[bool | None]:
    grants = {"*", question.grant_type} | ({"refresh_token"} if question.refresh else set())
    return [
        rule.enabled,
        any(is_client(pattern, question) for pattern in rule.clients),
        is_subject(rule, question),
        bool(grants & set(rule.grant_types)),
        bool({"*", question.resource} & set(rule.resources)),
        *under(rule.conditions, question, now),
    ]


def on_path(rule: Rule, question: AccessQuestion, permitting: bool) -> bool:
    """For the few patterns of strategies.py."""
    if not question.through or rule.through is None:
        return rule.through is None and not (question.through and permitting)
    named = [
        any(pattern in ("*", actor.client_id) or (pattern == "tag:x" and "x" in actor.tags) for pattern in rule.through)
        for actor in question.through
    ]
    return all(named) if permitting else any(named)


def is_client(pattern: str, question: AccessQuestion) -> bool:
    selector, _, value = pattern.partition(":")
    match selector:
        case "*":
            return True
        case "tag":
            return value in question.client_tags
        case "owner":
            return value == question.client_owner
        case "environment":
            return value == question.client_environment
        case "kind":
            return value == question.client_kind
        case "host":
            host = (urlsplit(f"https://{question.client_host}").hostname or "") if question.client_host else ""
            return host.endswith(value[1:]) if value.startswith("*.") else host == value
        case _:
            return pattern == question.client_id


def is_subject(rule: Rule, question: AccessQuestion) -> bool:
    if question.subject is None:
        return rule.users is None and rule.groups is None
    if question.subject == "":
        return False
    wanted_users, wanted_groups = set(rule.users or ()), set(rule.groups or ())
    return bool(wanted_users & {"*", question.subject} or wanted_groups & {"*", *question.groups})


def on_scope(rule: Rule, question: AccessQuestion, scope: str) -> bool | None:
    if not {"*", scope} & set(rule.scopes):
        return False
    if rule.sensitivities is None:
        return True
    said = {sensitivity for name, sensitivity in question.scopes if name == scope}
    return said <= set(rule.sensitivities) if len(said) == 1 and "" not in said else None


def under(conditions: Conditions, question: AccessQuestion, now: float) -> list[bool | None]:
    verdicts: list[bool | None] = []
    if conditions.max_auth_age:
        age = None if question.auth_time is None else now - question.auth_time
        verdicts.append(True if age is not None and -60 <= age <= conditions.max_auth_age else None)
    if conditions.acr:
        verdicts.append(question.acr in conditions.acr if question.acr else None)
    if conditions.amr:
        used, wanted = set(question.amr), set(conditions.amr)
        verdicts.append(True if wanted <= used else None if wanted & used or not used else False)
    if conditions.environments:
        verdicts.append(question.client_environment in conditions.environments if question.client_environment else None)
    if conditions.networks:
        verdicts.append(within(question.address, [str(network) for network in conditions.networks]))
    if conditions.not_before is not None:
        verdicts.append(now >= conditions.not_before)
    if conditions.not_after is not None:
        verdicts.append(now < conditions.not_after)
    if conditions.hours:
        verdicts.append(during(conditions.hours, now))
    return verdicts


def within(address: str | None, networks: list[str]) -> bool | None:
    try:
        found = ipaddress.ip_address((address or "").removeprefix("::ffff:"))
    except ValueError:
        return None
    return any(found in ipaddress.ip_network(network) for network in networks)


def during(hours: Hours, now: float) -> bool:
    """Whether one of the stretches that began today or yesterday is still on."""
    there = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(hours.timezone))
    minute = there.hour * 60 + there.minute
    length = (hours.end - hours.start) % 1440 or 1440
    for days_ago in (0, 1):
        day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(there.weekday() - days_ago) % 7]
        if (not hours.days or day in hours.days) and 0 <= minute + days_ago * 1440 - hours.start < length:
            return True
    return False
