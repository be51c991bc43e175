"""A decision on a call: made, recorded, and answered.

An allowed call that can't be recorded isn't allowed (invariant 4). Of allowed calls an MCP server may have a part
recorded; first uses of a tool, those that rest on an approval, and refused ones are always recorded.
"""

import secrets
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from authz import audit, decisions
from authz.database.transactions import in_unit_of_work, unit_of_work
from authz.decisions import calls, usage
from authz.decisions.calls import Call
from authz.decisions.usage import Measured
from authz.decisions.usage_counts import Holder
from authz.dpop import bound_key
from authz.endpoints.decision_point import asked_call, denial_binding
from authz.endpoints.decision_point.caller import Caller
from authz.endpoints.decision_point.holder import holder_of
from authz.models import ProtectedResource
from authz.policy import Decision, Outcome
from authz.policy.decision import DecisionReason
from authz.protocol.authzen import Evaluation
from authz.protocol.errors import Reason
from authz.protocol.timed_ids import new_id
from authz.tokens.live import LiveToken, is_still_allowed

# How long a denial may be answered by an access request.
REQUESTABLE_FOR = timedelta(minutes=10)
# Of two that use one approval at once, one begins again without it.
ATTEMPTS = 3
HOLDERS_KEPT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """An answer, with what it is about. `reason` is None where the call is allowed."""

    id: str
    reason: Reason | None
    holder: LiveToken | None = None
    server: ProtectedResource | None = None
    call: Call | None = None
    decision: Decision | None = None
    measured: Measured | None = None

    @property
    def requestable(self) -> str:
        """The call and its holder as one value, if a person can be asked: the rules hold it, and its arguments are
        known. "" otherwise.
        """
        tool = self.call.tool if self.call else None
        if self.reason is not Reason.CALL_WAITS or self.holder is None or tool is None or not tool.digest:
            return ""
        return denial_binding.bound(self.holder.authorization.pk, tool)


def decide(asked: Evaluation, caller: Caller) -> Decided:
    """Decide, and record the decision. Raises `MalformedError`, and what the database raises."""
    return conclude(judge(asked, caller), asked, caller)


def conclude(judged: Decided, asked: Evaluation, caller: Caller) -> Decided:
    """Record what was judged; if it rests on approvals, use them. Raises `MalformedError`, and what the database
    raises."""
    if judged.decision is not None and judged.decision.approvals and judged.reason is None:
        return _with_approvals(asked, caller, judged)
    record(judged, caller)
    return judged


def judge(asked: Evaluation, caller: Caller, *, roughly: bool = False) -> Decided:
    """Decide, and change nothing. Raises `MalformedError`. `roughly`: a first use may be some seconds old."""
    evaluation_id = new_id(caller.now)
    found = holder_of(asked, caller)
    if found is None:
        return Decided(id=evaluation_id, reason=Reason.TOKEN_NOT_LIVE)
    holder, server = found
    call = asked_call.call_of(asked, server)
    if call is None:
        if not _is_live(holder, None, caller.now):
            return Decided(id=evaluation_id, reason=Reason.TOKEN_NOT_LIVE)
        return Decided(id=evaluation_id, reason=Reason.CALL_UNKNOWN, holder=holder, server=server)
    measured = None
    if call.tool is not None:
        calling = _caller_of(holder.client.pk, holder.authorization.user_id, server.pk)
        measured = usage.measure(calling, call.tool.name, server, caller.now, roughly=roughly)
        call = call.measured(measured.unusual)
    reason, decision = _judged(holder, call, caller.now)
    if not _is_live(holder, decision, caller.now):
        return Decided(id=evaluation_id, reason=Reason.TOKEN_NOT_LIVE)
    return Decided(
        id=evaluation_id,
        reason=reason,
        holder=holder,
        server=server,
        call=call,
        decision=decision,
        measured=measured,
    )


def _is_live(holder: LiveToken, decision: Decision | None, now: float) -> bool:
    shown = calls.shows_live_token(decision, holder.scopes, is_bound=holder.is_bound)
    return shown or is_still_allowed(holder, now)


@lru_cache(HOLDERS_KEPT)
def _caller_of(client: int, user: int | None, resource: int) -> Holder:
    return Holder(client=client, user=user, resource=resource)


def _judged(holder: LiveToken, call: Call, now: float) -> tuple[Reason | None, Decision | None]:
    question = holder.question(call.tool)
    if calls.missing_scopes(question, call):
        return Reason.CALL_WITHOUT_SCOPE, None
    decision = calls.decide_call(question, call, issued_at=holder.judged_at, now=now)
    # A rule that speaks of this call may want its token to be bound, too.
    if decision.proof_of_possession and not bound_key(holder.claims):
        return Reason.CALL_WITHOUT_KEY, decision
    return _reason(decision), decision


def _reason(decision: Decision) -> Reason | None:
    match decision.effect:
        case Outcome.ALLOW:
            return None
        case Outcome.PENDING:
            return Reason.CALL_WAITS
    return Reason.CALL_STEP_UP if decision.reason is DecisionReason.STEP_UP_NEEDED else Reason.CALL_DENIED


def _with_approvals(asked: Evaluation, caller: Caller, judged: Decided) -> Decided:
    """Use the approvals that it rests on, and record that, in one transaction: of many equal calls at once one gets
    an approval of one call."""
    if in_unit_of_work():
        return _used(asked, caller, judged)
    with unit_of_work():
        return _used(asked, caller, judged)


def _used(asked: Evaluation, caller: Caller, judged: Decided) -> Decided:
    for _ in range(ATTEMPTS):
        if judged.reason is not None or judged.decision is None or calls.use_up(judged.decision, caller.now):
            break
        judged = judge(asked, caller)
    else:
        judged = replace(judged, reason=Reason.CALL_WAITS, decision=None)
    record(judged, caller)
    return judged


def record(judged: Decided, caller: Caller) -> None:
    """Write the event of a decision, with the first use of a tool, and count the call."""
    measured = judged.measured
    if measured is None:
        _write(judged, caller)
        return
    if judged.reason is None and measured.is_first_use:
        with nullcontext() if in_unit_of_work() else unit_of_work():
            usage.remember(measured, caller.now)
            _write(judged, caller)
    else:
        _write(judged, caller)
    usage.count(measured, allowed=judged.reason is None, moment=caller.now)


def _write(judged: Decided, caller: Caller) -> None:
    """The event, but for allowed calls that the MCP server doesn't have recorded."""
    every = judged.server.recorded_calls if judged.server and _is_plain(judged) else 1
    if every > 1 and secrets.randbelow(every):
        return
    holder = judged.holder
    audit.record(
        _event(judged),
        reason=judged.reason,
        client_id=holder.client.client_id if holder else caller.client.client_id,
        subject=holder.subject if holder else "",
        resource=judged.server.identifier if judged.server else "",
        authorization=holder.authorization.pk if holder else None,
        detail={
            "evaluation": judged.id,
            "by": caller.client.client_id,
            **({"one_of": every} if every > 1 else {}),
            **call_facts(judged.call),
            **(judged.measured.facts() if judged.measured else {}),
            **(decisions.traced(judged.decision) if judged.decision else {}),
            **({"jti": holder.claims["jti"]} if holder and "jti" in holder.claims else {}),
        },
    )


def _is_plain(judged: Decided) -> bool:
    is_first_use = judged.measured is not None and judged.measured.is_first_use
    return judged.reason is None and not is_first_use and not (judged.decision and judged.decision.approvals)


def _event(judged: Decided) -> audit.Event:
    if judged.reason is None:
        return audit.Event.CALL_ALLOWED
    return audit.Event.CALL_HELD if judged.reason is Reason.CALL_WAITS else audit.Event.CALL_DENIED


def call_facts(call: Call | None) -> dict[str, object]:
    """What the audit says of a call: of its arguments a digest, and the members that may be shown."""
    if call is None:
        return {}
    if call.tool is None:
        return {"method": call.method}
    facts: dict[str, object] = {"tool": call.tool.name[:LONGEST_TOOL]}
    if call.tool.labels:
        facts["labels"] = sorted(call.tool.labels)
    if call.tool.digest:
        facts["arguments"] = call.tool.digest
    if call.shown:
        facts["shown"] = dict(call.shown)
    return facts


LONGEST_TOOL = 128


def answer(judged: Decided, caller: Caller) -> dict[str, Any]:
    """The Decision object. A `false` says why in words, but nothing of a rule, and nothing of a token that isn't the
    caller's to ask about.
    """
    if judged.reason is None:
        granted = {"scopes": list(judged.decision.scopes)} if judged.decision else {}
        return {"decision": True, "context": {"evaluation_id": judged.id, **granted}}
    context: dict[str, Any] = {
        "evaluation_id": judged.id,
        "reason": judged.reason.value,
        "reason_user": {"403": judged.reason.sentence},
    }
    if judged.requestable:
        context |= _requestable(judged, caller.now)
    if judged.decision is not None and judged.decision.step_up is not None:
        context |= step_up(judged.decision)
    return {"decision": False, "context": context}


def _requestable(judged: Decided, now: float) -> Mapping[str, Any]:
    """> When an AuthZEN Access Evaluation response denies access and the denial is eligible for an access request, the
    > PDP MAY include an access_request object in the Decision Context. (Access Request and Approval Profile)
    """
    moment = datetime.fromtimestamp(int(now), UTC)
    expires = moment + REQUESTABLE_FOR
    return {
        "evaluated_at": _rfc3339(moment),
        "access_request": {
            "endpoint": denial_binding.endpoint(),
            "template": "one_call",
            "expires_at": _rfc3339(expires),
            "binding_token": denial_binding.token(judged.id, judged.requestable, expires),
            "display": {
                "title": "Ask for approval",
                "description": "A person of the organisation has to approve this call before it is made.",
            },
        },
    }


def step_up(decision: Decision) -> dict[str, Any]:
    """> requesting step-up authentication of the requesting subject, by signalling the required acr and amr"""
    wanted = decision.step_up
    found: dict[str, Any] = {}
    if wanted and wanted.acr:
        found["acr_values"] = " ".join(wanted.acr)
    if wanted and wanted.amr:
        found["amr_values"] = " ".join(wanted.amr)
    if wanted and wanted.max_auth_age is not None:
        found["max_age"] = wanted.max_auth_age
    return found


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
