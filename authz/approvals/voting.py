"""How an access request is answered: each vote for or against it, the answer that follows, and its withdrawal.

The person who asks doesn't decide (authz/approvals/approvers.py), and each person decides once. Where several have to
approve, the approval is what all of them left, until the earliest of their ends; one denial is a denial.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from authz import audit
from authz.approvals import access_requests, approvers, extension_fields, notices, told_extensions
from authz.approvals.access_requests import LONGEST_TEXT, record
from authz.database.transactions import unit_of_work
from authz.extensions import ExtensionFault
from authz.models import AccessRequest, AccessVote, Client, User
from authz.models.access_request import LAPSES_AFTER
from authz.protocol.display_names import visible_lines

Status = AccessRequest.Status

# A declined question is refused for so long; then it may be asked again.
DENIAL_HOLDS = timedelta(days=7)
LONGEST_APPROVAL = timedelta(days=30)
# How long an approval may last, by the names that forms and the API use.
DURATIONS: Mapping[str, timedelta] = {
    "1h": timedelta(hours=1),
    "8h": timedelta(hours=8),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}

# An approval of one call, used or not, ends after so long. Forms and the API call it so.
ONCE, ONCE_WITHIN = "once", timedelta(hours=8)


class NotDecided(Exception):
    """Why an access request was not decided, in words for the person who tried."""


def approve(
    request: AccessRequest,
    *,
    by: User,
    scopes: Sequence[str],
    expires: datetime,
    comment: str,
    now: datetime,
    once: bool = False,
) -> AccessRequest:
    """Approve some or all of the scopes that wait, until `expires`; the others are declined for as long.

    once  for one call, of a request for a call.

    It stays open if others have to approve, too. Raises `NotDecided`.
    """
    if request.needs_rule:
        raise NotDecided("No rule waits for it: accept a rule for it, or reject it.")
    if once and request.call is None:
        raise NotDecided("It is not about one call: approve it for a time.")
    approved = _of_those_asked(request, scopes)
    if not now < expires <= now + LONGEST_APPROVAL:
        raise NotDecided(f"An approval ends within {LONGEST_APPROVAL.days} days.")
    vote = AccessVote(
        request=request, by=by, approves=True, scopes=approved, expires=expires, once=once, comment=comment
    )
    at_least = _needed_by_extensions(request)
    with unit_of_work():
        current = _voted(vote, now)
        _require_same_fields(request, current)
        votes = _current_votes(current)
        left = [name for name in current.scopes if all(name in other.scopes for other in votes)]
        if not left:
            raise NotDecided("The others approved none of these scopes. Approve some of theirs, or deny it.")
        if not approvers.are_enough(current, [other.by for other in votes], at_least):
            record(audit.Event.ACCESS_SECONDED, current, by, **_what(approved, expires, comment), **_once(once))
            return current
        ends = min(other.expires for other in votes)
        # The narrower word counts.
        current.once = any(other.once for other in votes)
        _close(current, Status.APPROVED, vote, scopes=left, expires=ends, remind=_reminder(now, ends), now=now)
        record(audit.Event.ACCESS_APPROVED, current, by, **_what(left, ends, comment), **_once(current.once))
        notices.approved(current, now)
    told_extensions.tell(told_extensions.APPROVED, current)
    return current


def accept(
    request: AccessRequest,
    *,
    by: User,
    scopes: Sequence[str],
    comment: str,
    now: datetime,
    wait_for_writers: Callable[[], None],
    make_rule: Callable[[AccessRequest, list[str]], str],
) -> AccessRequest:
    """Accept a request that no rule allows: `make_rule` makes the rule for these scopes, and answers its name.

    The rule and the answer are one transaction, and only one of them all makes a rule. Raises `NotDecided`.
    """
    if not request.needs_rule:
        raise NotDecided("A rule waits for its approval: approve it, or deny it.")
    accepted = _of_those_asked(request, scopes)
    if _needed_by_extensions(request) > 1:
        raise NotDecided("It needs several approvers, and a rule is accepted by one: plan the rule instead.")
    # A vote ends; a rule stays.
    vote = AccessVote(
        request=request, by=by, approves=True, scopes=accepted, expires=now + LONGEST_APPROVAL, comment=comment
    )
    with unit_of_work():
        # First the lock of those who change rules, then that of the request: in one order, so that no two deadlock.
        wait_for_writers()
        current = _voted(vote, now)
        _require_same_fields(request, current)
        rule = make_rule(current, accepted)
        current.context = {**current.context, "rule": rule}
        _close(current, Status.APPROVED, vote, scopes=accepted, expires=None, remind=None, now=now)
        AccessRequest.objects.filter(pk=current.pk).update(context=current.context)
        record(
            audit.Event.ACCESS_APPROVED,
            current,
            by,
            scope=" ".join(accepted),
            rule=rule,
            comment=visible_lines(comment)[:LONGEST_TEXT],
        )
        notices.approved(current, now)
    told_extensions.tell(told_extensions.APPROVED, current)
    return current


def _of_those_asked(request: AccessRequest, scopes: Sequence[str]) -> list[str]:
    approved = [name for name in request.scopes if name in scopes]
    if not approved or not set(scopes) <= set(request.scopes):
        raise NotDecided("Approve at least one of the scopes that were asked for, and no others.")
    return approved


def _needed_by_extensions(request: AccessRequest) -> int:
    """How many people extensions want at least. Raises `NotDecided` where something is missing, or one is broken."""
    # Asked before the transaction: a stranger's code holds no lock.
    try:
        if missing := extension_fields.missing_at(request.resource, request.extension_fields or {}):
            raise NotDecided(missing)
        return extension_fields.approvers_needed(request)
    except ExtensionFault as fault:
        raise NotDecided(f"It can’t be approved: {fault}") from None


def _require_same_fields(seen: AccessRequest, current: AccessRequest) -> None:
    if seen.extension_fields != current.extension_fields or seen.resource != current.resource:
        raise NotDecided("What was given with it has changed since. Look at it again.")


def deny(request: AccessRequest, *, by: User, comment: str, now: datetime) -> AccessRequest:
    """Deny it, with a reason. The same question is refused for a week. Raises `NotDecided`."""
    if not comment.strip():
        raise NotDecided("Say why: the person who asked reads it.")
    expires = now + DENIAL_HOLDS
    vote = AccessVote(request=request, by=by, approves=False, expires=expires, comment=comment)
    with unit_of_work():
        current = _voted(vote, now)
        _close(current, Status.DENIED, vote, scopes=[], expires=expires, remind=None, now=now)
        record(audit.Event.ACCESS_DENIED, current, by, **_what([], expires, comment))
        notices.denied(current, now)
    told_extensions.tell(told_extensions.DENIED, current)
    return current


def _voted(vote: AccessVote, now: datetime) -> AccessRequest:
    """The open request as it is now, with this vote cast in it, held until the transaction ends."""
    # One conditional statement, which takes the row: of two who decide at once the second one waits here, and then
    # finds it decided, or what the first one left (invariant 3).
    still_open = AccessRequest.objects.filter(
        pk=vote.request_id, status=Status.OPEN, last_asked__gt=now - LAPSES_AFTER
    ).update(status=Status.OPEN)
    # As they are now: a role taken away a moment ago decides nothing.
    current = AccessRequest.objects.select_related("client__owner", "user").get(pk=vote.request_id)
    if problem := approvers.objection(current, User.objects.get(pk=vote.by_id)):
        raise NotDecided(problem)
    # An approval of what the agent was doesn't hold for what it is (attack 7).
    if vote.approves and current.client.consent_digest != current.client_digest:
        raise NotDecided("The agent has changed since it asked. It has to ask again.")
    if not still_open:
        raise NotDecided("It is no longer open: another approver was quicker, or it has lapsed.")
    current.votes.filter(expires__lte=now).delete()
    if current.votes.filter(by=vote.by_id).exists():
        raise NotDecided("You have decided this already. Another approver has to approve it, too.")
    vote.time, vote.comment = now, visible_lines(vote.comment)[:LONGEST_TEXT]
    vote.save(force_insert=True)
    return current


def _current_votes(request: AccessRequest) -> list[AccessVote]:
    """The approvals so far, of those who may still give one."""
    votes = request.votes.filter(approves=True).select_related("by").order_by("time")
    return [vote for vote in votes if not approvers.objection(request, vote.by)]


def _close(
    request: AccessRequest,
    to: AccessRequest.Status,
    last: AccessVote,
    *,
    scopes: list[str],
    expires: datetime | None,
    remind: datetime | None,
    now: datetime,
) -> None:
    request.status, request.decided_by, request.decided, request.comment = to, last.by, now, last.comment
    request.approved_scopes, request.not_before, request.expires, request.remind = scopes, now, expires, remind
    request.save(update_fields=_DECIDED)


_DECIDED = ("once", "status", "decided_by", "decided", "comment", "approved_scopes", "not_before", "expires", "remind")


def _reminder(now: datetime, ends: datetime) -> datetime | None:
    """When to say that it ends soon: with a tenth of its time left, at most a day. An hour needs no reminder."""
    lasts = ends - now
    return ends - min(timedelta(days=1), lasts / 10) if lasts > timedelta(hours=2) else None


def _once(once: bool) -> dict[str, bool]:
    return {"once": True} if once else {}


def _what(scopes: Sequence[str], expires: datetime, comment: str) -> dict[str, str]:
    return {"scope": " ".join(scopes), "expires": expires.isoformat(), "comment": visible_lines(comment)[:LONGEST_TEXT]}


def cancel(request: AccessRequest, *, by: User, now: datetime) -> bool:
    """Withdraw one's own open request, or (who may decide it) end an approval before its time; False if too late.
    Raises `NotDecided`.
    """
    with unit_of_work():
        held = AccessRequest.objects.select_for_update(of=("self",))
        current = held.select_related("client__owner", "user").get(pk=request.pk)
        problem = approvers.objection(current, by)
        if problem and by.pk not in (current.user_id, current.client.owner_id):
            raise NotDecided(problem)
        moved = AccessRequest.objects.filter(
            pk=request.pk,
            # What a rule allows is not ended here, but by changing the rule.
            status__in=[Status.OPEN] if problem or current.needs_rule else [Status.OPEN, Status.APPROVED],
        ).update(status=Status.CANCELLED, expires=now, remind=None)
        if moved:
            record(audit.Event.ACCESS_CANCELLED, current, by, was=current.status)
        if moved and current.status == Status.APPROVED:
            notices.ended(current, by, now)
    return bool(moved)


def withdraw(request: AccessRequest, *, by: User | Client, now: datetime) -> bool:
    """Take back one's own open request; an agent, one for itself. False if it is another's, or too late."""
    with unit_of_work():
        mine = AccessRequest.objects.filter(access_requests.belonging_to(by), pk=request.pk, status=Status.OPEN)
        moved = mine.update(status=Status.CANCELLED, expires=now, remind=None)
        if moved:
            record(audit.Event.ACCESS_CANCELLED, request, by, was=Status.OPEN)
    return bool(moved)
