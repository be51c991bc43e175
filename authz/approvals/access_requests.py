"""Access requests: where a rule says `require_approval`, an access question opens one, and its answer is an approval.

A question repeated leads to the same request. An answer holds for exactly what was asked, and ends by itself
(authz/approvals/voting.py). Both sides are told (authz/approvals/notices.py).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, Q, QuerySet

from authz import audit
from authz.approvals import notices, told_extensions
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.models import AccessRequest, Client, User
from authz.models.access_request import LAPSES_AFTER
from authz.policy import AccessQuestion, Approval, Decision, facts_of
from authz.protocol.display_names import visible
from authz.protocol.errors import OAuthError, Reason

Status = AccessRequest.Status

# > The minimum amount of time in seconds that the client MUST wait between polling requests (RFC 8628 §3.2)
POLLING_INTERVAL = 5
# Each combination of scopes is a question of its own; a client that tries them all must not fill the queue.
MAXIMUM_OPEN = 100
LONGEST_TEXT = 500


def address(request: AccessRequest) -> str:
    """Where the request's page is: the wire's `error_uri`."""
    return f"{conf.origin}{notices.path_of(request)}"


def find(question: AccessQuestion, decision: Decision, now: datetime) -> AccessRequest | None:
    """The open request for what waits in `decision`, if it has been asked for. Changes nothing."""
    client, user = asker_of(question)
    mine = queue(now).filter(
        _of_path(question),
        client=client,
        client_digest=client.consent_digest,
        user=user,
        resource=question.resource,
        needs_rule=False,
    )
    rows = mine.filter(grant_type=question.grant_type).select_related("client", "user").order_by("-first_asked")
    # A person may have asked for a part of what waits.
    return next((row for row in rows[:MAXIMUM_OPEN] if set(row.scopes) <= set(decision.waiting)), None)


def find_same(question: AccessQuestion, decision: Decision, now: datetime) -> AccessRequest | None:
    """The open request for exactly what waits in `decision`, a call included. Changes nothing."""
    client, user = asker_of(question)
    return queue(now).filter(digest=digest_of(client, user, question, sorted(decision.waiting))).first()


def asker_of(question: AccessQuestion) -> tuple[Client, User | None]:
    client = Client.objects.get(client_id=question.client_id)
    return client, None if question.subject is None else User.objects.get(username=question.subject)


def ask_for(
    question: AccessQuestion, decision: Decision, now: datetime, call: Mapping[str, object] | None = None, **more: str
) -> AccessRequest:
    """The open request for what waits in `decision`: the one there is, or a new one. Call it inside
    `unit_of_work()`.

    call  what may be shown of the question's call, for a request about that call alone.
    more  goes into the request's context and into the audit.
    """
    return open_or_repeat(question, decision, sorted(decision.waiting), now, needs_rule=False, call=call, more=more)


def open_or_repeat(
    question: AccessQuestion,
    decision: Decision,
    scopes: list[str],
    now: datetime,
    *,
    needs_rule: bool,
    call: Mapping[str, object] | None = None,
    more: Mapping[str, str] | None = None,
) -> AccessRequest:
    """The open request of this question for these scopes: the one there is, or a new one. Inside `unit_of_work()`."""
    client, user = asker_of(question)
    digest = digest_of(client, user, question, scopes, needs_rule=needs_rule)
    if not _again(digest, now):
        _make_room(client, now)
        made = AccessRequest(
            digest=digest,
            client=client,
            client_digest=client.consent_digest,
            user=user,
            resource=question.resource,
            grant_type=question.grant_type,
            scopes=scopes,
            needs_rule=needs_rule,
            call=call,
            call_digest=question.tool.digest if call is not None and question.tool else "",
            context={
                # Those that wait. Of rules that deny, those who ask and their approvers learn nothing here.
                "rules": [] if needs_rule else list(decision.rules),
                "address": question.address or "",
                "refresh": question.refresh,
                **({"path": list(question.path())} if question.through else {}),
                **(more or {}),
            },
            first_asked=now,
            last_asked=now,
        )
        # Of many at once the unique index lets one in; the others wait for it and then find it (invariant 3).
        AccessRequest.objects.bulk_create([made], ignore_conflicts=True)
        if AccessRequest.objects.filter(pk=made.pk).exists():
            audit.record(
                audit.Event.ACCESS_REQUESTED,
                client_id=client.client_id,
                subject=str(user.subject) if user else "",
                resource=question.resource,
                detail={
                    "request": str(made.pk),
                    "scope": " ".join(scopes),
                    **({"needs_rule": True} if needs_rule else {}),
                    **({"call": call, "arguments": made.call_digest} if call is not None else {}),
                    **made.context,
                    "ruleset": decision.ruleset,
                    "ask": facts_of(question, question.groups),
                },
            )
            notices.opened(made, now)
            told_extensions.tell(told_extensions.OPENED, made)
        else:
            _again(digest, now)
    # The newest: an approver may have decided it in this moment.
    return AccessRequest.objects.filter(digest=digest).order_by("-first_asked")[0]


def _again(digest: str, now: datetime) -> bool:
    counted = AccessRequest.objects.filter(digest=digest, status=Status.OPEN)
    return bool(counted.update(asked=F("asked") + 1, last_asked=now))


def _make_room(client: Client, now: datetime) -> None:
    lapsed = Q(status=Status.OPEN, last_asked__lte=now - LAPSES_AFTER)
    AccessRequest.objects.filter(lapsed | Q(status=Status.APPROVED, expires__lte=now)).update(status=Status.EXPIRED)
    if AccessRequest.objects.filter(client=client, status=Status.OPEN)[:MAXIMUM_OPEN].count() >= MAXIMUM_OPEN:
        raise OAuthError(Reason.RATE_LIMITED, detail="too many open access requests")


def digest_of(
    client: Client, user: User | None, question: AccessQuestion, waiting: Sequence[str], *, needs_rule: bool = False
) -> str:
    """What is asked, as one value: the same question has one open request."""
    subject = str(user.subject) if user else None
    what: list[object] = [
        client.client_id,
        client.consent_digest,
        subject,
        question.resource,
        question.grant_type,
        list(waiting),
    ]
    if needs_rule:
        what.append("needs a rule")
    if question.tool is not None:
        what.append(question.tool.digest)
    if question.through:
        what.append({"through": question.path()})
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def add_justification(request: AccessRequest, *, by: User | Client, reason: str, now: datetime) -> bool:
    """Write down why the access is needed: a person, or an agent that asked for itself. False if the request belongs to
    another one, or is no longer open.

    Those who decide are told the first time.
    """
    given = visible(reason)[:LONGEST_TEXT]
    theirs = AccessRequest.objects.filter(belonging_to(by), pk=request.pk, status=Status.OPEN)
    with unit_of_work():
        first = bool(given) and bool(theirs.filter(reason="").update(reason=given))
        if not first and not (given and theirs.update(reason=given)):
            return False
        current = AccessRequest.objects.select_related("client", "user").get(pk=request.pk)
        record(audit.Event.ACCESS_EXPLAINED, current, by, reason=given)
        if first:
            notices.explained(current, now)
    return True


def belonging_to(asker: User | Client) -> Q:
    """The requests that a person may explain and withdraw, their agents' too; or those of an agent for itself."""
    if isinstance(asker, Client):
        return Q(client=asker, user=None)
    return Q(user=asker) | Q(client__owner=asker)


def pending(request: AccessRequest, because: str, facts: Mapping[str, object]) -> OAuthError:
    """The refusal of a question that waits for an approval (RFC 8628 §3.5)."""
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


# --- Reading them -----------------------------------------------------------------------------------------------------


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


def approvals_for(question: AccessQuestion, now: float) -> tuple[Approval, ...]:
    """The live answers to this client for this person (or for itself): one statement.

    An answer given before the client's keys or redirect URIs changed is none to what it is now (attack 7).
    """
    return tuple(as_approval(row, question) for row in _answers(question, now))


def given_for(question: AccessQuestion, now: float) -> list[Mapping[str, Any]]:
    """What was given with the approvals that are live for this question, by the extension's id: one statement."""
    rows = _answers(question, now).filter(status=Status.APPROVED, resource=question.resource)
    return [row.extension_fields for row in rows if row.extension_fields]


def _answers(question: AccessQuestion, now: float) -> QuerySet[AccessRequest]:
    moment = datetime.fromtimestamp(now, UTC)
    rows = AccessRequest.objects.filter(
        _of_path(question),
        client__client_id=question.client_id,
        client_digest=F("client__consent_digest"),
        status__in=(Status.APPROVED, Status.DENIED),
        needs_rule=False,
        # An approval of one call is one of no other, and no approval of a token.
        call_digest__in=["", question.tool.digest] if question.tool else [""],
        used=None,
        not_before__lte=moment,
        expires__gt=moment,
    )
    return rows.filter(user=None) if question.subject is None else rows.filter(user__username=question.subject)


def _of_path(question: AccessQuestion) -> Q:
    """The requests that came the same way. An approver was shown that way, and answered for no other (attack 53)."""
    return Q(context__path=list(question.path())) if question.through else ~Q(context__has_key="path")


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
        through=tuple(row.context.get("path", ())),
        call=row.call_digest,
        not_before=row.not_before.timestamp() if row.not_before else 0,
        expires=row.expires.timestamp() if row.expires else 0,
    )


def use(pk: str, now: datetime) -> bool:
    """Use an approval, if it is for one call: once. False if that was done, or it has ended."""
    rows = AccessRequest.objects.filter(pk=pk, status=Status.APPROVED, used=None, expires__gt=now)
    return bool(rows.filter(once=True).update(used=now)) or rows.filter(once=False).exists()


def record(event: audit.Event, request: AccessRequest, by: User | Client, **detail: object) -> None:
    """Record what a person, or an agent that asked for itself, did to an access request."""
    subject, name = ("", by.client_id) if isinstance(by, Client) else (str(by.subject), by.username)
    audit.record(
        event,
        client_id=request.client.client_id,
        subject=subject,
        resource=request.resource,
        detail={
            "request": str(request.pk),
            "by": name,
            "for": str(request.user.subject) if request.user else "",
            **detail,
        },
    )
