"""The law of `decide`, written once more as plainly as it can be said: rule by rule, scope by scope, in three values.

It shares no line with `authz/policy`: True is yes, False is no, None is not established.
"""

import ipaddress
from datetime import UTC, datetime
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
    waiting = tuple(name for name, its in fates.items() if its == "waits")
    granted = tuple(name for name, its in fates.items() if its == "granted")
    if waiting:
        return "pending", waiting
    return ("allow", granted) if granted else ("deny", ())


def fate(question: AccessQuestion, scope: str, rules: list[Rule], now: float, approvals: list[Approval]) -> str:
    speaks = [(rule.effect, all_of([on_scope(rule, question, scope), *fields(rule, question, now)])) for rule in rules]
    if any(effect == "deny" and verdict is not False for effect, verdict in speaks):
        return "denied"
    if not any(effect != "deny" and verdict is True for effect, verdict in speaks):
        return "not permitted"
    if not any(effect == "require_approval" and verdict is not False for effect, verdict in speaks):
        return "granted"
    answers = [approval for approval in approvals if answers_ask(approval, question, now)]
    if any(scope in approval.scopes for approval in answers):
        return "granted"
    return "declined" if any(scope in approval.declined for approval in answers) else "waits"


def answers_ask(approval: Approval, question: AccessQuestion, now: float) -> bool:
    same = (approval.client_id, approval.subject, approval.resource) == (
        question.client_id,
        question.subject,
        question.resource,
    )
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
