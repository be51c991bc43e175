"""Approvals: where a rule says `require_approval`, an access question opens an access request.

A question repeated leads to the same request. The person who asks doesn't decide (authz/approvals/approvers.py), and
each person decides once. Where several have to approve, the approval is what all of them left, until the earliest of
their ends; one denial is a denial. An answer holds for exactly what was asked, and ends by itself. Both sides are told
(authz/approvals/notices.py).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import F, Q, QuerySet

from authz import audit
from authz.approvals import approvers, notices
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.models import AccessRequest, AccessVote, Client, User
from authz.models.access_request import LAPSES_AFTER
from authz.policy import AccessQuestion, Approval, Decision, facts_of
from authz.protocol.display_names import visible, visible_lines
from authz.protocol.errors import OAuthError, Reason

Status = AccessRequest.Status

# A declined question is refused for so long; then it may be asked again.
DENIAL_HOLDS = timedelta(days=7)
LONGEST_APPROVAL = timedelta(days=30)
# What who decides may choose from.
DURATIONS: Mapping[str, timedelta] = {
    "1h": timedelta(hours=1),
    "8h": timedelta(hours=8),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
# > The minimum amount of time in seconds that the client MUST wait between polling requests (RFC 8628 §3.2)
POLLING_INTERVAL = 5
# Each combination of scopes is a question of its own; a client that tries them all must not fill the queue.
MAXIMUM_OPEN = 100
LONGEST_TEXT = 500


class NotDecided(Exception):
    """Why an access request was not decided, in words for who tried."""


def address(request: AccessRequest) -> str:
    """Where the request's page is: the wire's `error_uri`."""
    return f"{conf.origin}{notices.path_of(request)}"


# --- Asking ---------------------------------------------------------------------------------------------------------


def find(question: AccessQuestion, decision: Decision, now: datetime) -> AccessRequest | None:
    """The open request for what waits in `decision`, if it has been asked for. Changes nothing."""
    client, user = _who_asks(question)
    digest = _digest(client, user, question, sorted(decision.waiting))
    return queue(now).filter(digest=digest).select_related("client", "user").first()


def _who_asks(question: AccessQuestion) -> tuple[Client, User | None]:
    client = Client.objects.get(client_id=question.client_id)
    return client, None if question.subject is None else User.objects.get(username=question.subject)


def ask_for(question: AccessQuestion, decision: Decision, now: datetime) -> AccessRequest:
    """The open request for what waits in `decision`: the one there is, or a new one. Call it inside
    `unit_of_work()`."""
    client, user = _who_asks(question)
    waiting = sorted(decision.waiting)
    digest = _digest(client, user, question, waiting)
    if not _again(digest, now):
        _make_room(client, now)
        made = AccessRequest(
            digest=digest,
            client=client,
            client_digest=client.consent_digest,
            user=user,
            resource=question.resource,
            grant_type=question.grant_type,
            scopes=waiting,
            context={"rules": list(decision.rules), "address": question.address or "", "refresh": question.refresh},
            first_asked=now,
            last_asked=now,
        )
        # Of many at once the unique index lets one in; the others wait for it and then find it (law 3).
        AccessRequest.objects.bulk_create([made], ignore_conflicts=True)
        if AccessRequest.objects.filter(pk=made.pk).exists():
            audit.record(
                audit.Event.ACCESS_REQUESTED,
                client_id=client.client_id,
                subject=str(user.subject) if user else "",
                resource=question.resource,
                detail={
                    "request": str(made.pk),
                    "scope": " ".join(waiting),
                    **made.context,
                    "ruleset": decision.ruleset,
                    "ask": facts_of(question, question.groups),
                },
            )
            notices.opened(made, now)
        else:
            _again(digest, now)
    # The newest: somebody may have decided it in this very moment.
    return AccessRequest.objects.filter(digest=digest).order_by("-first_asked")[0]


def _again(digest: str, now: datetime) -> bool:
    counted = AccessRequest.objects.filter(digest=digest, status=Status.OPEN)
    return bool(counted.update(asked=F("asked") + 1, last_asked=now))


def _make_room(client: Client, now: datetime) -> None:
    lapsed = Q(status=Status.OPEN, last_asked__lte=now - LAPSES_AFTER)
    AccessRequest.objects.filter(lapsed | Q(status=Status.APPROVED, expires__lte=now)).update(status=Status.EXPIRED)
    if AccessRequest.objects.filter(client=client, status=Status.OPEN)[:MAXIMUM_OPEN].count() >= MAXIMUM_OPEN:
        raise OAuthError(Reason.RATE_LIMITED, detail="too many open access requests")


def _digest(client: Client, user: User | None, question: AccessQuestion, waiting: Sequence[str]) -> str:
    subject = str(user.subject) if user else None
    what = [client.client_id, client.consent_digest, subject, question.resource, question.grant_type, list(waiting)]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def add_justification(request: AccessRequest, *, by: User, reason: str, now: datetime) -> bool:
    """Write down why it is needed, in the words of who waits; False if it is not theirs to say, or no longer open.

    Those who decide are told the first time.
    """
    given = visible(reason)[:LONGEST_TEXT]
    theirs = AccessRequest.objects.filter(pk=request.pk, status=Status.OPEN).filter(Q(user=by) | Q(client__owner=by))
    with unit_of_work():
        first = bool(given) and bool(theirs.filter(reason="").update(reason=given))
        if not first and not (given and theirs.update(reason=given)):
            return False
        current = AccessRequest.objects.select_related("client", "user").get(pk=request.pk)
        _record(audit.Event.ACCESS_EXPLAINED, current, by, reason=given)
        if first:
            notices.explained(current, now)
    return True


def pending(request: AccessRequest, because: str, facts: Mapping[str, object]) -> OAuthError:
    """The answer to a question that waits, in the words of RFC 8628 §3.5."""
    return OAuthError(
        Reason.APPROVAL_PENDING,
        detail=because,
        facts=facts,
        parameters={
            "access_request": str(request.pk),
            "error_uri": address(request),
            "interval": POLLING_INTERVAL,
        },
    )


# --- What was answered ----------------------------------------------------------------------------------------------


def approvals_for(question: AccessQuestion, now: float) -> tuple[Approval, ...]:
    """The live answers to this client for this person (or for itself): one statement.

    An answer given before the client's keys or redirect URIs changed is none to what it is now (attack 7).
    """
    moment = datetime.fromtimestamp(now, UTC)
    rows = AccessRequest.objects.filter(
        client__client_id=question.client_id,
        client_digest=F("client__consent_digest"),
        status__in=(Status.APPROVED, Status.DENIED),
        not_before__lte=moment,
        expires__gt=moment,
    )
    rows = rows.filter(user=None) if question.subject is None else rows.filter(user__username=question.subject)
    return tuple(as_approval(row, question) for row in rows)


def as_approval(row: AccessRequest, question: AccessQuestion) -> Approval:
    """An answered request as the policy engine reads it, for a question of its client and person."""
    return Approval(
        id=str(row.pk),
        client_id=question.client_id,
        subject=question.subject,
        resource=row.resource,
        scopes=tuple(row.approved_scopes),
        declined=tuple(name for name in row.scopes if name not in row.approved_scopes),
        grant_types=(row.grant_type,),
        rules=tuple(row.context.get("rules", ())),
        not_before=row.not_before.timestamp() if row.not_before else 0,
        expires=row.expires.timestamp() if row.expires else 0,
    )


# --- Deciding -------------------------------------------------------------------------------------------------------


def queue(now: datetime) -> QuerySet[AccessRequest]:
    """The requests that wait, the oldest first."""
    return AccessRequest.objects.filter(status=Status.OPEN, last_asked__gt=now - LAPSES_AFTER).order_by("first_asked")


def like(request: AccessRequest, most: int = 5) -> list[AccessRequest]:
    """What was decided in like cases, the latest first: this agent, or this person, at the same MCP server."""
    alike = Q(client=request.client_id)
    if request.user_id is not None:
        alike |= Q(user=request.user_id)
    rows = AccessRequest.objects.filter(alike, resource=request.resource).exclude(pk=request.pk).exclude(decided=None)
    return list(rows.select_related("client", "user", "decided_by").order_by("-decided")[:most])


def approve(
    request: AccessRequest, *, by: User, scopes: Sequence[str], expires: datetime, comment: str, now: datetime
) -> AccessRequest:
    """Approve some or all of the scopes that wait, until `expires`; the others are declined for as long.

    It stays open if others have to approve, too. Raises `NotDecided`.
    """
    approved = [name for name in request.scopes if name in scopes]
    if not approved or not set(scopes) <= set(request.scopes):
        raise NotDecided("Approve at least one of the scopes that were asked for, and no others.")
    if not now < expires <= now + LONGEST_APPROVAL:
        raise NotDecided(f"An approval ends within {LONGEST_APPROVAL.days} days.")
    vote = AccessVote(request=request, by=by, approves=True, scopes=approved, expires=expires, comment=comment)
    with unit_of_work():
        current = _voted(vote, now)
        votes = _current_votes(current)
        left = [name for name in current.scopes if all(name in other.scopes for other in votes)]
        if not left:
            raise NotDecided("The others approved none of these scopes. Approve some of theirs, or deny it.")
        if not approvers.are_enough(current, [other.by for other in votes]):
            _record(audit.Event.ACCESS_SECONDED, current, by, **_what(approved, expires, comment))
            return current
        ends = min(other.expires for other in votes)
        _close(current, Status.APPROVED, vote, scopes=left, expires=ends, remind=_reminder(now, ends), now=now)
        _record(audit.Event.ACCESS_APPROVED, current, by, **_what(left, ends, comment))
        notices.approved(current, now)
    return current


def deny(request: AccessRequest, *, by: User, comment: str, now: datetime) -> AccessRequest:
    """Deny it, with a reason. The same question is refused for a week. Raises `NotDecided`."""
    if not comment.strip():
        raise NotDecided("Say why: the person who asked reads it.")
    expires = now + DENIAL_HOLDS
    vote = AccessVote(request=request, by=by, approves=False, expires=expires, comment=comment)
    with unit_of_work():
        current = _voted(vote, now)
        _close(current, Status.DENIED, vote, scopes=[], expires=expires, remind=None, now=now)
        _record(audit.Event.ACCESS_DENIED, current, by, **_what([], expires, comment))
        notices.denied(current, now)
    return current


def _voted(vote: AccessVote, now: datetime) -> AccessRequest:
    """The open request as it is now, with this vote cast in it, held until the transaction ends."""
    # One conditional statement, which takes the row: of two who decide at once the second one waits here, and then
    # finds it decided, or what the first one left (law 3).
    still_open = AccessRequest.objects.filter(
        pk=vote.request_id, status=Status.OPEN, last_asked__gt=now - LAPSES_AFTER
    ).update(status=Status.OPEN)
    # As they are now: a role taken away a moment ago decides nothing.
    current = AccessRequest.objects.select_related("client__owner", "user").get(pk=vote.request_id)
    if problem := approvers.objection(current, User.objects.get(pk=vote.by_id)):
        raise NotDecided(problem)
    # Of an answer to what the agent was nothing would hold for what it is (attack 7), and nobody has read that.
    if vote.approves and current.client.consent_digest != current.client_digest:
        raise NotDecided("The agent has changed since it asked. It asks again as what it is now.")
    if not still_open:
        raise NotDecided("It is no longer open: somebody else was quicker, or it has lapsed.")
    current.votes.filter(expires__lte=now).delete()
    if current.votes.filter(by=vote.by_id).exists():
        raise NotDecided("You have decided this already. Somebody else has to approve it, too.")
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
    expires: datetime,
    remind: datetime | None,
    now: datetime,
) -> None:
    request.status, request.decided_by, request.decided, request.comment = to, last.by, now, last.comment
    request.approved_scopes, request.not_before, request.expires, request.remind = scopes, now, expires, remind
    request.save(update_fields=_DECIDED)


_DECIDED = ("status", "decided_by", "decided", "comment", "approved_scopes", "not_before", "expires", "remind")


def _reminder(now: datetime, ends: datetime) -> datetime | None:
    """When to say that it ends soon: with a tenth of its time left, at most a day. An hour needs no reminder."""
    lasts = ends - now
    return ends - min(timedelta(days=1), lasts / 10) if lasts > timedelta(hours=2) else None


def _what(scopes: Sequence[str], expires: datetime, comment: str) -> dict[str, str]:
    return {"scope": " ".join(scopes), "expires": expires.isoformat(), "comment": visible_lines(comment)[:LONGEST_TEXT]}


def cancel(request: AccessRequest, *, by: User, now: datetime) -> bool:
    """Withdraw one's own open request, or (who may decide it) end an approval before its time; False if too late."""
    with unit_of_work():
        held = AccessRequest.objects.select_for_update(of=("self",))
        current = held.select_related("client__owner", "user").get(pk=request.pk)
        problem = approvers.objection(current, by)
        if problem and by.pk not in (current.user_id, current.client.owner_id):
            raise NotDecided(problem)
        moved = AccessRequest.objects.filter(
            pk=request.pk, status__in=[Status.OPEN] if problem else [Status.OPEN, Status.APPROVED]
        ).update(status=Status.CANCELLED, expires=now, remind=None)
        if moved:
            _record(audit.Event.ACCESS_CANCELLED, current, by, was=current.status)
        if moved and current.status == Status.APPROVED:
            notices.ended(current, by, now)
    return bool(moved)


def _record(event: audit.Event, request: AccessRequest, by: User, **detail: object) -> None:
    audit.record(
        event,
        client_id=request.client.client_id,
        subject=str(by.subject),
        resource=request.resource,
        detail={
            "request": str(request.pk),
            "by": by.username,
            "for": str(request.user.subject) if request.user else "",
            **detail,
        },
    )
