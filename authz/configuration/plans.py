"""Plans: a file is read now, another person approves what it would change, and it is applied once.

    make()       the diff that applying would make, computed and rolled back
    approve()    by an administrator who is not the planner
    carry_out()  claim the plan, apply its file, and compare: all of it in one transaction, or nothing

A plan never changes. It is applied only if applying still does exactly what was approved
(docs/decisions/0094-plans.md).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from authz import audit
from authz.configuration import plan_files
from authz.configuration.digests import digest
from authz.configuration.document import ConfigurationError
from authz.configuration.engine import By, Change, Permit, apply, one_at_a_time, state_of
from authz.configuration.plan_approvers import NotYours, is_open, objection
from authz.configuration.plan_files import PlanRefused
from authz.configuration.rule_warnings import RuleWarning
from authz.configuration.sections import all_sections, items
from authz.database.transactions import long_statements, unit_of_work
from authz.decisions import rule_history
from authz.models import ConfigurationPlan, User
from authz.protocol.errors import Reason
from authz.sign_in.roles import DECIDE_PLANS

Status = ConfigurationPlan.Status
# How long a plan counts: over a weekend, and no longer than people remember what they read.
LIFETIME = timedelta(hours=72)
# Open plans of one planner, and of all.
MAX_OPEN, MAX_OPEN_OF_ALL = 20, 200
LONGEST_TEXT = 500


# --- Making one -------------------------------------------------------------------------------------------------------


def make(
    text: str, *, prune: bool, prune_all: bool = False, note: str, by: By, client_id: str = "", now: datetime
) -> ConfigurationPlan | None:
    """Plan to apply a file; None if nothing would change. `client_id` is the program that sent it, if one did. Raises
    `ConfigurationError`, and `PlanRefused` if too many plans are open.
    """
    warned: list[RuleWarning] = []
    with long_statements(), unit_of_work():
        one_at_a_time()
        _require_room(by, now)
        changes = apply(text, prune=prune, prune_all=prune_all, dry_run=True, by=by, warn=warned.extend, local=False)
        if not changes:
            return None
        plan = ConfigurationPlan(
            created=now,
            expires=now + LIFETIME,
            planned_by=by.name[:255],
            planned_by_subject=by.subject,
            planned_by_client=client_id,
            note=note,
            prune=prune,
            digest=digest(text, purpose="plans"),
            state=_state(changes),
            changes=[change.as_item() for change in changes],
            states=[change.state for change in changes],
            warnings=[warning.as_item() for warning in warned],
        )
        plan.file = plan_files.sealed(plan, text)
        plan.save(force_insert=True)
        _record(audit.Event.PLAN_MADE, plan, by, changes=len(changes))
    return plan


def _require_room(by: By, now: datetime) -> None:
    """Raises `PlanRefused`. Each plan keeps a file, and a page lists them."""
    open_ones = ConfigurationPlan.objects.filter(is_open(now))
    if open_ones.filter(planned_by=by.name[:255]).count() >= MAX_OPEN or open_ones.count() >= MAX_OPEN_OF_ALL:
        raise PlanRefused(f"Too many plans are open (at most {MAX_OPEN} of one planner): decline some of them.")


def _state(changes: Sequence[Change]) -> str:
    """What applying changes: each item before it with its secrets, and after it as it is shown. The file says the rest,
    and a new secret has another digest each time it is stored.
    """
    touched = [(change.section, change.key, change.action, change.state, dict(change.after)) for change in changes]
    return digest(sorted(touched, key=lambda one: one[:3]), purpose="plans")


# --- Deciding ---------------------------------------------------------------------------------------------------------


def approve(plan: ConfigurationPlan, *, by: User, comment: str, now: datetime) -> None:
    """Raises `NotYours`, and `PlanRefused` if it no longer waits."""
    with _refusals(plan, By(by.username, str(by.subject))):
        if problem := objection(plan, by):
            raise NotYours(problem)
        if not is_current(plan):
            raise PlanRefused(OUTDATED)
        _decide(plan, Status.APPROVED, audit.Event.PLAN_APPROVED, by=by, comment=comment, now=now)


def decline(plan: ConfigurationPlan, *, by: User, comment: str, now: datetime) -> None:
    """Decline a plan, or withdraw one's own, also one that is approved. Raises `PlanRefused` if it is over."""
    if not by.has_perm(DECIDE_PLANS):
        raise NotYours("Only an administrator declines plans.")
    with _refusals(plan, By(by.username, str(by.subject))):
        _decide(plan, Status.DECLINED, audit.Event.PLAN_DECLINED, by=by, comment=comment, now=now)


def _decide(plan: ConfigurationPlan, to: Status, event: audit.Event, *, by: User, comment: str, now: datetime) -> None:
    """One conditional UPDATE: of two decisions at once, one counts."""
    of = [Status.WAITING, Status.APPROVED] if to == Status.DECLINED else [Status.WAITING]
    decision = {"decided_by": by, "decided_by_name": by.username, "decided": now, "comment": comment}
    gone = {"file": None} if to == Status.DECLINED else {}
    with unit_of_work():
        rows = ConfigurationPlan.objects.filter(pk=plan.pk, status__in=of, expires__gt=now)
        if not rows.update(status=to, **decision, **gone):
            raise PlanRefused(_why_not(plan, now, applies=False))
        _record(event, plan, By(by.username, str(by.subject)), comment=comment)
    plan.refresh_from_db()


# --- Applying ---------------------------------------------------------------------------------------------------------

OUTDATED = "The configuration has changed since in what this plan changes: plan the file again."


def carry_out(
    plan: ConfigurationPlan, *, by: By, permit: Permit | None = None, needs_approval: bool = True, now: datetime
) -> list[Change]:
    """Apply a plan, once. `permit` is asked about each change where no approval is needed. Raises `PlanRefused`."""
    with _refusals(plan, by):
        try:
            with long_statements(), unit_of_work(), rule_history.written_by(by.name, "apply"):
                one_at_a_time()
                return _carried_out(plan, by, permit, needs_approval, now)
        except _OutdatedError:
            ConfigurationPlan.objects.filter(pk=plan.pk, status__in=[Status.WAITING, Status.APPROVED]).update(
                status=Status.OUTDATED, file=None
            )
            raise PlanRefused(OUTDATED) from None


class _OutdatedError(Exception):
    """Undoes the transaction: applying would not do what was approved."""


def _carried_out(
    plan: ConfigurationPlan, by: By, permit: Permit | None, needs_approval: bool, now: datetime
) -> list[Change]:
    of = [Status.APPROVED] if needs_approval else [Status.APPROVED, Status.WAITING]
    rows = ConfigurationPlan.objects.filter(pk=plan.pk, status__in=of, expires__gt=now)
    # Claimed first: a second one waits here for the first, and then finds no row.
    if not rows.update(status=Status.APPLIED, applied=now, applied_by=by.name[:255]):
        raise PlanRefused(_why_not(plan, now, applies=True))
    plan.refresh_from_db()
    is_approved = plan.decided is not None
    # One who has lost the role since has no say.
    if is_approved and (plan.decided_by is None or objection(plan, plan.decided_by)):
        raise PlanRefused("The person who approved it may no longer do so.")
    named = By(by.name, by.subject, plan=_named(plan))
    try:
        changes = apply(
            plan_files.opened(plan),
            prune=plan.prune,
            # Who planned has said so; and it changes exactly what was approved.
            prune_all=True,
            by=named,
            permit=None if is_approved else permit,
            local=False,
        )
    except ConfigurationError:
        raise _OutdatedError from None  # such as a rule whose group is no longer there
    if _state(changes) != plan.state:
        raise _OutdatedError
    _record(audit.Event.PLAN_APPLIED, plan, by, changes=len(changes))
    plan_files.forget_old()
    return changes


def _why_not(plan: ConfigurationPlan, now: datetime, *, applies: bool) -> str:
    plan.refresh_from_db()
    if plan.status_at(now) == Status.WAITING and applies:
        return "It waits for an approval by another person."
    if plan.status_at(now) == Status.APPROVED:
        return "It is approved already."
    sentences = {
        Status.APPLIED: "It was applied already.",
        Status.DECLINED: "It was declined.",
        Status.OUTDATED: OUTDATED,
    }
    return sentences.get(Status(plan.status), "It has expired: plan the file again.")


def is_current(plan: ConfigurationPlan) -> bool:
    """Whether the items that the plan changes are still as they were; writes nothing. Applying compares more: whether
    it would change any other item, too.
    """
    sections = {section.KEY: section for section in all_sections()}
    there = {key: items(sections[key]) for key in {change["section"] for change in plan.changes}}
    return all(
        state == state_of(there[change["section"]].get(change["key"]))
        for change, state in zip(plan.changes, plan.states, strict=True)
    )


# --- The audit --------------------------------------------------------------------------------------------------------


@contextmanager
def _refusals(plan: ConfigurationPlan, by: By) -> Iterator[None]:
    """A refusal is recorded, after what it undid."""
    try:
        yield
    except (PlanRefused, NotYours) as refused:
        with unit_of_work():
            _record(audit.Event.PLAN_REFUSED, plan, by, reason=Reason.PLAN_UNUSABLE, detail=str(refused))
        raise


def _named(plan: ConfigurationPlan) -> dict[str, str]:
    return {"plan": str(plan.pk), "planned_by": plan.planned_by, "approved_by": plan.decided_by_name}


def _record(
    event: audit.Event, plan: ConfigurationPlan, by: By, *, reason: Reason | None = None, **more: object
) -> None:
    detail = {**_named(plan), "by": by.name, **{name: value for name, value in more.items() if value not in (None, "")}}
    audit.record(event, reason=reason, subject=by.subject, client_id=plan.planned_by_client, detail=detail)
