"""The law of `decide`, written once more as plainly as it can be said: rule by rule, scope by scope, in three values.

It shares no line with `authz/policy`: True is yes, False is no, None is not established.
"""

import ipaddress
from datetime import UTC, datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from authz.policy import Approval, Ask, Conditions, Hours, Rule


def outcome(ask: Ask, rules: list[Rule], now: float, approvals: list[Approval]) -> tuple[str, tuple[str, ...]]:
    """("allow", granted), ("pending", waiting) or ("deny", ())."""
    if ask.client_status != "approved":
        return "deny", ()
    fates = {name: fate(ask, name, rules, now, approvals) for name, _ in ask.scopes}
    waiting = tuple(name for name, its in fates.items() if its == "waits")
    granted = tuple(name for name, its in fates.items() if its == "granted")
    if waiting:
        return "pending", waiting
    return ("allow", granted) if granted else ("deny", ())


def fate(ask: Ask, scope: str, rules: list[Rule], now: float, approvals: list[Approval]) -> str:
    speaks = [(rule.effect, all_of([on_scope(rule, ask, scope), *fields(rule, ask, now)])) for rule in rules]
    if any(effect == "deny" and verdict is not False for effect, verdict in speaks):
        return "denied"
    if not any(effect != "deny" and verdict is True for effect, verdict in speaks):
        return "not permitted"
    if not any(effect == "require_approval" and verdict is not False for effect, verdict in speaks):
        return "granted"
    answers = [approval for approval in approvals if answers_ask(approval, ask, now)]
    if any(scope in approval.scopes for approval in answers):
        return "granted"
    return "declined" if any(scope in approval.declined for approval in answers) else "waits"


def answers_ask(approval: Approval, ask: Ask, now: float) -> bool:
    same = (approval.client_id, approval.subject, approval.resource) == (ask.client_id, ask.subject, ask.resource)
    by = ask.grant_type in approval.grant_types or "*" in approval.grant_types
    return same and by and approval.not_before <= now and now < approval.expires


def all_of(verdicts: list[bool | None]) -> bool | None:
    if False in verdicts:
        return False
    return None if None in verdicts else True


def fields(rule: Rule, ask: Ask, now: float) -> list[bool | None]:
    grants = {"*", ask.grant_type} | ({"refresh_token"} if ask.refresh else set())
    return [
        rule.enabled,
        any(is_client(pattern, ask) for pattern in rule.clients),
        is_subject(rule, ask),
        bool(grants & set(rule.grant_types)),
        bool({"*", ask.resource} & set(rule.resources)),
        *under(rule.conditions, ask, now),
    ]


def is_client(pattern: str, ask: Ask) -> bool:
    selector, _, value = pattern.partition(":")
    match selector:
        case "*":
            return True
        case "tag":
            return value in ask.client_tags
        case "owner":
            return value == ask.client_owner
        case "environment":
            return value == ask.client_environment
        case "kind":
            return value == ask.client_kind
        case "host":
            host = (urlsplit(f"https://{ask.client_host}").hostname or "") if ask.client_host else ""
            return host.endswith(value[1:]) if value.startswith("*.") else host == value
        case _:
            return pattern == ask.client_id


def is_subject(rule: Rule, ask: Ask) -> bool:
    if ask.subject is None:
        return rule.users is None and rule.groups is None
    if ask.subject == "":
        return False
    wanted_users, wanted_groups = set(rule.users or ()), set(rule.groups or ())
    return bool(wanted_users & {"*", ask.subject} or wanted_groups & {"*", *ask.groups})


def on_scope(rule: Rule, ask: Ask, scope: str) -> bool | None:
    if not {"*", scope} & set(rule.scopes):
        return False
    if rule.sensitivities is None:
        return True
    said = {sensitivity for name, sensitivity in ask.scopes if name == scope}
    return said <= set(rule.sensitivities) if len(said) == 1 and "" not in said else None


def under(conditions: Conditions, ask: Ask, now: float) -> list[bool | None]:
    verdicts: list[bool | None] = []
    if conditions.max_auth_age:
        age = None if ask.auth_time is None else now - ask.auth_time
        verdicts.append(True if age is not None and -60 <= age <= conditions.max_auth_age else None)
    if conditions.acr:
        verdicts.append(ask.acr in conditions.acr if ask.acr else None)
    if conditions.amr:
        used, wanted = set(ask.amr), set(conditions.amr)
        verdicts.append(True if wanted <= used else None if wanted & used or not used else False)
    if conditions.environments:
        verdicts.append(ask.client_environment in conditions.environments if ask.client_environment else None)
    if conditions.networks:
        verdicts.append(within(ask.address, [str(network) for network in conditions.networks]))
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
