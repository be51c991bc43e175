"""User names and groups that no account has."""

from collections.abc import Iterator
from dataclasses import replace

from authz.policy.near_miss import did_you_mean, nearest
from authz.policy.rules import Rule
from authz.policy.unmatched.known import Finding, Known, Unmatched, entries


def people(rule: Rule, known: Known) -> list[Unmatched]:
    users = entries("users", rule.users or (), lambda name: _person(name, known))
    groups = entries("groups", rule.groups or (), lambda name: _group(name, known))
    # They are alternatives: one list that names an account is enough.
    alive = (len(users) < len(rule.users or ())) or (len(groups) < len(rule.groups or ()))
    return [replace(part, is_fatal=not alive) for part in (*users, *groups)]


def _person(name: str, known: Known) -> Finding:
    if name == "*" or name in known.users:
        return None
    near = nearest(name, known.users)
    return "There is no person of this user name." + did_you_mean(near), near


def _group(name: str, known: Known) -> Finding:
    if name == "*" or name in known.groups:
        return None
    near = nearest(name, known.groups)
    return "There is no group of this name." + did_you_mean(near), near


def approvers(rule: Rule, known: Known) -> Iterator[Unmatched]:
    """Approvers who do not exist: the rule still holds what it matches, but its requests may wait without an end."""
    if rule.approvers is None:
        return
    users = entries("approvers.users", rule.approvers.users, lambda name: _person(name, known))
    groups = entries("approvers.groups", rule.approvers.groups, lambda name: _group(name, known))
    yield from (replace(part, is_fatal=False) for part in (*users, *groups))
