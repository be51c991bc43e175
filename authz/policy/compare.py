"""What a change of the rules would have changed over past questions, before it is saved."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from authz.policy.approvals import Approval
from authz.policy.compiled import RuleSet
from authz.policy.decide import evaluate
from authz.policy.decision import Decision, Outcome
from authz.policy.question import AccessQuestion


class Direction(StrEnum):
    """MORE and LESS where everything that differs points one way; OTHER where something is won and something lost."""

    MORE = "more"
    LESS = "less"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedDecision:
    """A past question that other rules would have answered differently. `at`: when it was put, in seconds."""

    question: AccessQuestion
    at: float
    before: Decision
    after: Decision
    direction: Direction


def compare(
    old: RuleSet,
    new: RuleSet,
    questions: Iterable[tuple[AccessQuestion, float]],
    now: float,
    approvals: Sequence[Approval] = (),
    *,
    asked_after: Callable[[AccessQuestion], AccessQuestion] | None = None,
) -> tuple[ChangedDecision, ...]:
    """The past questions (each with its time) that the new rules answer differently than the old ones, in their order.

    Both sets are taken as they are in force `now`, as if they had been so all the time; how old a sign-in was, the hour
    of the day and which approvals lived are those of the question's own time. `asked_after` is how the new rules are
    asked the same, where names change with them (renaming.py).
    """
    changes: list[ChangedDecision] = []
    for question, at in questions:
        before = evaluate(question, old, at, approvals, in_force_at=now)
        asked = asked_after(question) if asked_after else question
        after = evaluate(asked, new, at, approvals, in_force_at=now)
        direction = _direction(before, after)
        if direction is not None:
            changes.append(ChangedDecision(question=question, at=at, before=before, after=after, direction=direction))
    return tuple(changes)


def _direction(before: Decision, after: Decision) -> Direction | None:
    """None if nothing differs that the asker could notice."""
    was, becomes = _worth(before), _worth(after)
    if was == becomes:
        return None
    if all(becomes.get(name, _NOTHING) >= worth for name, worth in was.items()):
        return Direction.MORE
    if all(was.get(name, _NOTHING) >= worth for name, worth in becomes.items()):
        return Direction.LESS
    return Direction.OTHER


_NOTHING = (0, 0.0)


def _worth(decision: Decision) -> dict[str, tuple[int, float]]:
    """What each scope is worth to the asker: granted (and for how long), to be had alone, or waiting."""
    if decision.effect is Outcome.ALLOW:
        lifetime = float("inf") if decision.lifetime is None else float(decision.lifetime)
        return dict.fromkeys(decision.scopes, (3, lifetime))
    return {**dict.fromkeys(decision.scopes, (2, 0.0)), **dict.fromkeys(decision.waiting, (1, 0.0))}
