"""Requests for access that no rule allows: they reach the owners of the MCP server with a draft of a rule.

The draft is the narrowest rule that would allow it: this agent, this person (or a group of theirs), this MCP server,
these scopes. Those who ask learn nothing of the rules: it is the same for them whether no rule allows it or one denies.
An answer is given once (authz/approvals/voting.py).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from authz.approvals import access_requests
from authz.approvals.access_requests import Status
from authz.models import AccessRequest, User
from authz.policy import AccessQuestion, Decision, Outcome
from authz.policy.decision import DecisionReason
from authz.protocol.errors import OAuthError, Reason

# What may be asked of the owners. Other refusals are answered by a better sign-in, or by the agent's approval.
ASKABLE = frozenset({DecisionReason.NO_RULE_ALLOWS, DecisionReason.DENIED_BY_RULE})
# Open requests of one person, or of one agent for itself: a person can name every agent and every scope there is.
MAXIMUM_OPEN = 20
LONGEST_NAME = 255


def is_askable(question: AccessQuestion, decision: Decision) -> bool:
    """Whether a rule could be asked for: at an MCP server, where the rules are why it was refused."""
    return (
        decision.effect is Outcome.DENY
        and decision.reason in ASKABLE
        and decision.step_up is None
        and bool(question.resource)
    )


def find(question: AccessQuestion, now: datetime) -> AccessRequest | None:
    """The newest request for a part of it that waits, or was rejected so lately that it can't be asked anew."""
    client, user = access_requests.asker_of(question)
    rows = AccessRequest.objects.filter(
        client=client, client_digest=client.consent_digest, user=user, resource=question.resource, needs_rule=True
    )
    rows = rows.filter(grant_type=question.grant_type).select_related("client", "user", "decided_by")
    asked = set(question.scope_names())
    recent = [row for row in rows.order_by("-first_asked")[:MAXIMUM_OPEN] if set(row.scopes) <= asked]
    return next((row for row in recent if _still_counts(row, now)), None)


def _still_counts(row: AccessRequest, now: datetime) -> bool:
    is_rejected = row.status == Status.DENIED and row.expires is not None and row.expires > now
    return is_rejected or row.state(now) == Status.OPEN


def ask_for(question: AccessQuestion, decision: Decision, now: datetime, **more: str) -> AccessRequest:
    """The request for a rule: the one there is, or a new one. Call it inside `unit_of_work()`.

    Raises OAuthError where too many are open, or it was rejected lately.
    """
    found = find(question, now)
    if found is not None and found.status == Status.DENIED:
        raise OAuthError(Reason.ACCESS_DENIED_BY_POLICY, detail="an owner rejected it lately")
    if found is None and _open_ones(question, now) >= MAXIMUM_OPEN:
        raise OAuthError(Reason.RATE_LIMITED, detail="too many open requests for rules")
    return access_requests.open_or_repeat(
        question, decision, sorted(question.scope_names()), now, needs_rule=True, more=more
    )


def _open_ones(question: AccessQuestion, now: datetime) -> int:
    client, user = access_requests.asker_of(question)
    rows = access_requests.queue(now).filter(needs_rule=True)
    return rows.filter(user=user).count() if user else rows.filter(client=client, user=None).count()


def groups_of(request: AccessRequest) -> list[str]:
    """The groups that the rule may name instead of the person."""
    return sorted(group.name for group in request.user.groups.all()) if request.user else []


def draft(request: AccessRequest, scopes: Sequence[str], group: str = "") -> dict[str, Any]:
    """The rule in the file's form. `group`: for its members, where the request is for one of them."""
    user: User | None = request.user
    who: dict[str, Any] = {}
    if user is not None:
        who = {"groups": [group]} if group else {"users": [user.username]}
    holder = "itself" if user is None else (group or user.username)
    named = f"{request.client.client_id[:100]} at {request.resource[:80]} for {holder[:40]}"
    return {
        # Of what an agent says of itself nothing is in the name: people read it as the organisation's own word.
        "name": f"{named} (request {str(request.pk)[:8]})"[:LONGEST_NAME],
        "effect": "allow",
        "clients": [request.client.client_id],
        "grant_types": [request.grant_type],
        "resources": [request.resource],
        "scopes": list(scopes),
        **who,
    }
