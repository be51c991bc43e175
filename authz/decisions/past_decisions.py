"""The decision in force at a past time: "why was this allowed then?"

What is replayed are the rules as they were (authz/decisions/rule_history.py) on the question as the audit recorded it:
the
agent's kind, tags, owner and environment, the groups that rules named, the sign-in, the address. An event that is older
than that record is completed from today's rows, and the answer says so. `notes` say all that keeps a replay from being
exact; without any, it is.
"""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from authz import audit
from authz.approvals import access_requests
from authz.audit import queries
from authz.decisions import recorded_questions, rule_history
from authz.decisions.evaluation import approvals_for
from authz.decisions.rules import cached_rules
from authz.models import AccessRequest, AuditEvent, Client
from authz.policy import (
    AccessQuestion,
    Approval,
    ClientStatus,
    Explanation,
    Outcome,
    RuleSet,
    compile,
    decide,
    decide_sign_in,
    explain,
    without_networks,
)
from authz.protocol.timed_ids import made_at

# The apps' events for issued tokens end in the same way.
ISSUED = ":issued"
# Of the events of one request.
MOST_OF_A_REQUEST = 20


class CannotReplay(Exception):
    """There is nothing to replay, with a text for the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDecision:
    """A decision as it was, or would have been, at `moment` (in seconds since the epoch) under version `number`.

    today  the answer of today's rules and approvals to the same question, of the agent as it stands today; None where
           the question is not a recorded one.
    """

    moment: float
    number: int
    explanation: Explanation
    notes: tuple[str, ...]
    today: Explanation | None = None


def of_event(event: AuditEvent) -> PastDecision:
    """Why what the event records was decided so. Raises `CannotReplay`."""
    known = recorded_questions.Known.of([event])
    question = recorded_questions.ask_of(event, known)
    if question is None:
        raise CannotReplay("This event records no decision of the rules.")
    notes = []
    if "ask" not in event.detail:
        notes.append("The event is older than the record of questions: agent, groups and sensitivities are today's.")
    recorded = str(event.detail.get("ruleset", ""))
    number = rule_history.number_of(recorded)
    if number is None:
        number = rule_history.number_at(event.time)
        notes.append("The event names no version of the rules: they are taken as the history has them for its time.")
    rules = rule_history.rule_set(number)
    if recorded and rules.version != recorded:
        notes.append(f"The history gives {rules.version} where the event has {recorded}: rules were changed past it.")
    named = [str(pk) for pk in event.detail.get("approvals", ())]
    approvals = _approvals(named, question)
    if len(approvals) < len(named):
        notes.append("An approval that it stood on is no longer there.")
    found = _explained(question, rules, event.time.timestamp(), approvals)
    return PastDecision(
        moment=event.time.timestamp(),
        number=number,
        explanation=found,
        notes=(*notes, *_differences(event, found)),
        today=_today(question, event.time.timestamp(), time.time()),
    )


def _today(question: AccessQuestion, then: float, now: float) -> Explanation:
    aged = replace(question, auth_time=None if question.auth_time is None else question.auth_time + now - then)
    client = Client.objects.filter(client_id=question.client_id).first()
    status = ClientStatus.RETIRED if client is None else ClientStatus(client.state(now))
    aged, rules = replace(aged, client_status=status), cached_rules()
    return _explained(aged, rules, now, approvals_for(aged, rules, now))


def event_of_request(reference: str) -> AuditEvent:
    """The event of a request's decision, by the reference on its error page, or the address in its error answer.
    Raises `CannotReplay`.
    """
    request_id = reference.strip().rpartition("=")[2].lower()
    events = list(queries.of_request(request_id)[:MOST_OF_A_REQUEST]) if request_id else []
    if not events:
        raise CannotReplay("No event has this reference. A refusal beyond the audit's budget is only counted.")
    decided = next((event for event in events if "ask" in event.detail), None)
    if decided is None:
        told = ", ".join(f"{event.event}{f' ({event.reason})' if event.reason else ''}" for event in events)
        raise CannotReplay(f"No rules were asked in this request: {told}.")
    return decided


def at(question: AccessQuestion, moment: datetime) -> PastDecision:
    """How a question would have been decided at a past time: by the rules of then; all else is as `question` has it."""
    number = rule_history.number_at(moment)
    note = "The rules and approvals are those of that time; the agent, the person and the groups are today's."
    approvals = access_requests.approvals_for(question, moment.timestamp())
    rules = rule_history.rule_set(number)
    found = _explained(question, rules, moment.timestamp(), approvals)
    return PastDecision(moment=moment.timestamp(), number=number, explanation=found, notes=(note,))


def event_of_token(jti: str, authorization: str = "") -> AuditEvent:
    """The event that recorded the issue of an access token or an ID-JAG. Raises `CannotReplay`.

    An identifier of ours says when that was. One of an earlier version does not: it is found quickly only if its
    authorization is known.
    """
    seconds = made_at(jti, time.time())
    rows = AuditEvent.objects.all() if seconds is None else queries.near(datetime.fromtimestamp(seconds, UTC))
    rows = rows.filter(event__endswith=ISSUED, detail__jti=jti)
    if authorization:
        rows = rows.exclude(authorization="").filter(authorization=authorization)
    event = rows.order_by("-id").first()
    if event is None:
        raise CannotReplay("No token with this jti was issued here.")
    return event


def _explained(question: AccessQuestion, rules: RuleSet, moment: float, approvals: tuple[Approval, ...]) -> Explanation:
    # The address of a call's event is that of the MCP server, which asked: networks counted for nothing.
    if question.tool is not None:
        rules = compile(without_networks(rules.rules), rules.version)
    # Without a resource it was one on a sign-in, which no rule names: a person who may do anything may sign in.
    decided_by = decide if question.resource else decide_sign_in
    return explain(question, rules, moment, approvals, decided_by=decided_by)


def _approvals(named: list[str], question: AccessQuestion) -> tuple[Approval, ...]:
    rows = AccessRequest.objects.filter(pk__in=named)
    return tuple(access_requests.as_approval(row, question) for row in rows)


def _differences(event: AuditEvent, found: Explanation) -> list[str]:
    if event.event == audit.Event.CALL_ALLOWED.value:
        told = (
            "It was allowed, and the replay does not allow it: of its arguments only those that may be shown are kept."
        )
        return [] if found.decision.effect is Outcome.ALLOW else [told]
    if not event.event.endswith(ISSUED):
        allowed_now = found.decision.effect is Outcome.ALLOW
        return ["It was refused, and the replay allows it."] if allowed_now else []
    if found.decision.effect is not Outcome.ALLOW:
        return ["It was issued, and the replay refuses it."]
    missing = set(found.decision.scopes) - set(str(event.detail.get("scope", "")).split())
    return [f"The replay grants more: {', '.join(sorted(missing))}."] if missing else []
