"""What a change of the rules would have changed over past questions, before it is saved."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from authz.policy.approvals import Approval
from authz.policy.compiled import RuleSet
from authz.policy.decide import evaluate
from authz.policy.decision import Decision, Outcome
from authz.policy.past_calls import PastCalls, World
from authz.policy.question import AccessQuestion


class Direction(StrEnum):
    """MORE and LESS where everything that differs points one way; OTHER where something is won and something lost.
    UNKNOWN where it depends on arguments of a call that weren't recorded.
    """

    MORE = "more"
    LESS = "less"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedDecision:
    """A past question that other rules would have answered differently. `at`: when it was put, in seconds.

    unrecorded  of a call, what rules name and the audit doesn't have.
    """

    question: AccessQuestion
    at: float
    before: Decision
    after: Decision
    direction: Direction
    unrecorded: frozenset[str] = frozenset()


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
    calls = PastCalls(old, new)
    for question, at in questions:
        worlds: list[World] | None = [(old, new)]
        unrecorded = calls.unrecorded(question.tool) if question.tool is not None else frozenset[str]()
        if question.tool is not None:
            worlds = calls.worlds(unrecorded)
        asked = asked_after(question) if asked_after else question
        found = [
            (
                evaluate(question, was, at, approvals, in_force_at=now),
                evaluate(asked, becomes, at, approvals, in_force_at=now),
            )
            for was, becomes in worlds or [(old, new)]
        ]
        direction = _direction_in_all(found) if worlds else Direction.UNKNOWN
        if direction is not None:
            before, after = found[0]
            changes.append(
                ChangedDecision(
                    question=question,
                    at=at,
                    before=before,
                    after=after,
                    direction=direction,
                    unrecorded=unrecorded,
                )
            )
    return tuple(changes)


def _direction_in_all(found: Sequence[tuple[Decision, Decision]]) -> Direction | None:
    """None if nothing differs in any world; otherwise the answers have to be the same in all of them to be known."""
    if all(_direction(before, after) is None for before, after in found):
        return None
    first = tuple(map(_worth, found[0]))
    return _direction(*found[0]) if all(tuple(map(_worth, pair)) == first for pair in found) else Direction.UNKNOWN


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
    """What each scope is worth to the asker: granted (and for how long), to be had alone, or waiting. A call is worth
    what it is as a whole.
    """
    if decision.question is not None and decision.question.tool is not None:
        worth = {Outcome.ALLOW: 3, Outcome.PENDING: 1}.get(decision.effect, 0)
        return {"": (worth, 0.0)} if worth else {}
    if decision.effect is Outcome.ALLOW:
        lifetime = float("inf") if decision.lifetime is None else float(decision.lifetime)
        return dict.fromkeys(decision.scopes, (3, lifetime))
    return {**dict.fromkeys(decision.scopes, (2, 0.0)), **dict.fromkeys(decision.waiting, (1, 0.0))}
