"""Which parts of a rule match nothing that exists: a mistyped name in a denial protects nothing, and looks as if.

    unmatched(rule, known, now)     what to tell the author of a rule

A rule that is written ahead, for an agent or a group that is yet to come, gets the same notes: they are warnings.
"""

from collections.abc import Iterable, Iterator

from authz.policy.rules import Rule
from authz.policy.unmatched.agents import clients, environments
from authz.policy.unmatched.calls import calls
from authz.policy.unmatched.known import Known, Unmatched
from authz.policy.unmatched.people import approvers, people
from authz.policy.unmatched.requests import grant_types, resources, scopes

__all__ = ["Known", "Unmatched", "matches_nothing", "unmatched"]


def unmatched(rule: Rule, known: Known, now: float) -> tuple[Unmatched, ...]:
    """The rule's parts that match nothing, in the order of the rule's fields. `now` in seconds since the epoch."""
    return (
        *_empty_lists(rule),
        *clients(rule, known),
        *people(rule, known),
        *grant_types(rule, known),
        *resources(rule, known),
        *scopes(rule, known),
        *calls(rule, known),
        *_conditions(rule, known, now),
        *approvers(rule, known),
    )


def matches_nothing(found: Iterable[Unmatched]) -> bool:
    """Whether a rule of which all this was found has no effect at all."""
    return any(part.is_fatal for part in found)


def _empty_lists(rule: Rule) -> Iterator[Unmatched]:
    for field in ("clients", "through", "grant_types", "resources", "scopes", "sensitivities", "tools", "labels"):
        if getattr(rule, field) == ():
            yield Unmatched(field=field, value="", problem="This list is empty, and names nothing.", is_fatal=True)
    if not rule.for_machines and not rule.users and not rule.groups:
        yield Unmatched(field="users", value="", problem="The rule names no person and no group.", is_fatal=True)


def _conditions(rule: Rule, known: Known, now: float) -> Iterator[Unmatched]:
    conditions = rule.conditions
    if conditions.not_after is not None and conditions.not_after <= now:
        yield Unmatched(field="conditions.not_after", value="", problem="The rule’s time is over.", is_fatal=True)
    if conditions.environments:
        yield from environments(rule, known)
