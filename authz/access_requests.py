"""Asking a human: where a rule says `require_approval`, an ask becomes an access request, and the answer an approval.

An ask repeated is the same request. Who decides is not who asks: administrators decide, and approvers where they own
the MCP server or nobody does; never the person it is for, and never the owner of the agent. Nobody decides twice. An
answer holds for exactly what was asked, and ends by itself.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import F, Q, QuerySet

from authz import audit
from authz.conf import conf
from authz.models import AccessRequest, Client, ProtectedResource, User
from authz.models.access_request import LAPSES_AFTER
from authz.policy import Approval, Ask, Decision, facts_of
from authz.protocol.errors import OAuthError, Reason
from authz.transactions import settled

Status = AccessRequest.Status

# A declined ask is refused for so long; then it may be asked again.
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
# Each combination of scopes is an ask of its own; a client that tries them all must not fill the queue.
MAXIMUM_OPEN = 100


class NotDecided(Exception):
    """Why an access request was not decided, in words for who tried."""


def address(request: AccessRequest) -> str:
    """Where the request's page is: the wire's `error_uri`."""
    return f"{conf.origin}/account/requests/{request.pk}"


# --- Asking ---------------------------------------------------------------------------------------------------------


def ask_for(question: Ask, decision: Decision, now: datetime) -> AccessRequest:
    """The open request for what waits in `decision`: the one there is, or a new one. Call it inside `settled()`."""
    client = Client.objects.get(client_id=question.client_id)
    user = None if question.subject is None else User.objects.get(username=question.subject)
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


def _digest(client: Client, user: User | None, question: Ask, waiting: Sequence[str]) -> str:
    subject = str(user.subject) if user else None
    what = [client.client_id, client.consent_digest, subject, question.resource, question.grant_type, list(waiting)]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def pending(request: AccessRequest, because: str, facts: Mapping[str, object]) -> OAuthError:
    """The answer to an ask that waits, in the words of RFC 8628 §3.5."""
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


def approvals_for(question: Ask, now: float) -> tuple[Approval, ...]:
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


def as_approval(row: AccessRequest, question: Ask) -> Approval:
    """An answered request as the policy engine reads it, for an ask of its client and person."""
    return Approval(
        id=str(row.pk),
        client_id=question.client_id,
        subject=question.subject,
        resource=row.resource,
        scopes=tuple(row.approved_scopes),
        declined=tuple(name for name in row.scopes if name not in row.approved_scopes),
        grant_types=(row.grant_type,),
        not_before=row.not_before.timestamp() if row.not_before else 0,
        expires=row.expires.timestamp() if row.expires else 0,
    )


# --- Deciding -------------------------------------------------------------------------------------------------------


def objection(request: AccessRequest, by: User) -> str:
    """Why this person may not decide this request, in words; "" if they may."""
    if not by.is_active or by.role not in (User.Role.ADMINISTRATOR, User.Role.APPROVER):
        return "Only administrators and approvers decide access requests."
    if request.user_id == by.pk:
        return "Nobody decides what they asked for themselves."
    if request.client.owner_id == by.pk:
        return "Nobody decides for an agent of their own."
    if by.role == User.Role.APPROVER and _owner(request.resource) not in (None, by.pk):
        return "Somebody else owns this MCP server, so its owner or an administrator decides."
    return ""


def _owner(resource: str) -> int | None:
    owner: int | None = ProtectedResource.objects.filter(identifier=resource).values_list("owner_id", flat=True).first()
    return owner


def deciders(request: AccessRequest) -> list[User]:
    """Who may decide it, for the person who waits: at most five, the MCP server's owner first."""
    owner = _owner(request.resource)
    able = User.objects.filter(is_active=True, role__in=(User.Role.ADMINISTRATOR, User.Role.APPROVER))
    able = able.exclude(pk__in=[pk for pk in (request.user_id, request.client.owner_id) if pk is not None])
    if owner is not None:
        able = able.filter(Q(role=User.Role.ADMINISTRATOR) | Q(pk=owner))
    return list(able.order_by("-role", "username")[:5])


def queue(now: datetime) -> QuerySet[AccessRequest]:
    """The requests that wait, the oldest first."""
    return AccessRequest.objects.filter(status=Status.OPEN, last_asked__gt=now - LAPSES_AFTER).order_by("first_asked")


def approve(
    request: AccessRequest, *, by: User, scopes: Sequence[str], expires: datetime, comment: str, now: datetime
) -> AccessRequest:
    """Approve some or all of the scopes that wait, until `expires`; the others are declined for as long.

    Raises `NotDecided`.
    """
    approved = [name for name in request.scopes if name in scopes]
    if not approved or not set(scopes) <= set(request.scopes):
        raise NotDecided("Approve at least one of the scopes that were asked for, and no others.")
    if not now < expires <= now + LONGEST_APPROVAL:
        raise NotDecided(f"An approval ends within {LONGEST_APPROVAL.days} days.")
    return _decide(request, Status.APPROVED, by=by, approved=approved, expires=expires, comment=comment, now=now)


def deny(request: AccessRequest, *, by: User, comment: str, now: datetime) -> AccessRequest:
    """Deny it, with a reason. The same ask is refused for a week. Raises `NotDecided`."""
    if not comment.strip():
        raise NotDecided("Say why: the person who asked reads it.")
    return _decide(request, Status.DENIED, by=by, approved=[], expires=now + DENIAL_HOLDS, comment=comment, now=now)


def _decide(
    request: AccessRequest,
    to: AccessRequest.Status,
    *,
    by: User,
    approved: list[str],
    expires: datetime,
    comment: str,
    now: datetime,
) -> AccessRequest:
    with settled():
        # As they are now: a role taken away a moment ago decides nothing.
        current = AccessRequest.objects.select_related("client", "user").get(pk=request.pk)
        if problem := objection(current, User.objects.get(pk=by.pk)):
            raise NotDecided(problem)
        # The row count is the answer: of two who decide at once, one does (law 3).
        decided = AccessRequest.objects.filter(
            pk=request.pk, status=Status.OPEN, last_asked__gt=now - LAPSES_AFTER
        ).update(
            status=to,
            decided_by=by,
            decided=now,
            comment=comment.strip()[:500],
            approved_scopes=approved,
            not_before=now,
            expires=expires,
        )
        if not decided:
            raise NotDecided("It is no longer open: somebody else was quicker, or it has lapsed.")
        event = audit.Event.ACCESS_APPROVED if to == Status.APPROVED else audit.Event.ACCESS_DENIED
        _record(event, current, by, scope=" ".join(approved), expires=expires.isoformat(), comment=comment[:500])
    current.refresh_from_db()
    return current


def cancel(request: AccessRequest, *, by: User, now: datetime) -> bool:
    """Withdraw one's own open request, or (who may decide it) end an approval before its time; False if too late."""
    with settled():
        current = AccessRequest.objects.select_related("client", "user").get(pk=request.pk)
        problem = objection(current, by)
        if problem and by.pk not in (current.user_id, current.client.owner_id):
            raise NotDecided(problem)
        moved = AccessRequest.objects.filter(
            pk=request.pk, status__in=[Status.OPEN] if problem else [Status.OPEN, Status.APPROVED]
        ).update(status=Status.CANCELLED, expires=now)
        if moved:
            _record(audit.Event.ACCESS_CANCELLED, current, by, was=current.status)
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
