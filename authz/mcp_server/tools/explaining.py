"""What may I reach, and why not? Who can approve it?"""

from collections.abc import Mapping
from typing import Any

from authz import decisions, resources
from authz.approvals import approvers, rule_requests
from authz.configuration.mcp_resource import READ
from authz.mcp_server.schemas import OBJECT, TEXT, TEXTS, answers, list_of, takes, text, texts
from authz.mcp_server.subject import WHOSE, Subject, scopes_of, server_of, subject_of, with_tool
from authz.mcp_server.tool import READS, Call, Done, Tool, ToolError
from authz.models import AccessRequest, ProtectedResource
from authz.policy import AccessQuestion, Decision, Outcome
from authz.policy.decision import DecisionReason
from authz.protocol.display_names import visible

# Servers of one answer; who looks for a certain one names it.
MOST = 200
# It is the same for those who ask whether no rule allows it or one denies (authz/approvals/rule_requests.py).
_NOT_ALLOWED = "The organisation’s rules do not allow it."
BECAUSE: Mapping[DecisionReason, str] = {
    DecisionReason.ALLOWED: "The organisation’s rules allow it.",
    DecisionReason.NARROWED: "The organisation’s rules allow a part of it.",
    DecisionReason.APPROVAL_NEEDED: "A person has to approve it first.",
    DecisionReason.APPROVAL_DECLINED: "A person has denied it lately.",
    DecisionReason.DENIED_BY_RULE: _NOT_ALLOWED,
    DecisionReason.NO_RULE_ALLOWS: _NOT_ALLOWED,
    DecisionReason.STEP_UP_NEEDED: "The rules ask for a better or more recent sign-in: sign in again.",
    DecisionReason.CLIENT_NOT_APPROVED: "The agent is not approved: an administrator has to approve it first.",
    DecisionReason.NOTHING_ASKED: "The MCP server has no scopes that could be granted.",
}
_OUTCOMES = {Outcome.ALLOW: "allowed", Outcome.PENDING: "needs_approval", Outcome.DENY: "refused"}
_NEXT = {
    "allowed": "Get a token for it, and go on.",
    "needs_approval": "Call request_access, and say why.",
    "refused": "Call request_access, and say why: those who answer for the server may make a rule.",
}


def explain(call: Call) -> Done:
    subject = subject_of(call.caller, call.arguments)
    if "server" in call.arguments:
        server = server_of(call.arguments)
        item = explained(subject, server, scopes_of(call.arguments, server), call.arguments, call.caller.now)
        return Done(_sentence(item), {"servers": [item]})
    if extra := [name for name in ("scopes", "tool", "arguments") if name in call.arguments]:
        raise ToolError(f"{extra[0]}: belongs to a server. Name it in `server`, too.")
    rows = [server for server in resources.cached().values() if resources.scopes_of(server)][:MOST]
    items = [explained(subject, server, list(resources.scopes_of(server)), {}, call.caller.now) for server in rows]
    # What is out of reach is told only of servers that the caller can name.
    items = [item for item in items if item["outcome"] != "refused"]
    told = "\n".join(_sentence(item) for item in items) or "No MCP server is in reach."
    return Done(told, {"servers": items})


def explained(
    subject: Subject, server: ProtectedResource, scopes: list[str], arguments: Mapping[str, Any], now: float
) -> dict[str, Any]:
    """The decision on a question, in words that say nothing of the rules."""
    question = with_tool(subject.question(server, scopes, now), arguments)
    decision = decisions.evaluate(question, now)
    outcome = _OUTCOMES[decision.effect]
    rest = [name for name in scopes if name not in decision.scopes and name not in decision.waiting]
    deciders = who_decides(subject, question, decision)
    return {
        "server": server.identifier,
        "name": visible(server.name or server.identifier),
        "outcome": outcome,
        "allowed": list(decision.scopes),
        "needs_approval": list(decision.waiting),
        "not_allowed": rest,
        "because": BECAUSE[decision.reason],
        "who_decides": deciders,
        "next": _NEXT[outcome] if outcome == "allowed" or deciders else "",
    }


def who_decides(subject: Subject, question: AccessQuestion, decision: Decision) -> str:
    """Who could approve it, in words; "" where no one can, or no one needs to."""
    if decision.effect is Outcome.PENDING:
        return _panel(subject, question, decision.rules, needs_rule=False)
    if question.tool is None and rule_requests.is_askable(question, decision):
        return _panel(subject, question, (), needs_rule=True)
    return ""


def _panel(subject: Subject, question: AccessQuestion, rules: tuple[str, ...], *, needs_rule: bool) -> str:
    made_up = AccessRequest(
        client=subject.client,
        user=subject.person,
        resource=question.resource,
        context={"rules": list(rules)},
        needs_rule=needs_rule,
    )
    return approvers.panel(made_up).in_words()


def _sentence(item: Mapping[str, Any]) -> str:
    parts = [f"{item['name']} ({item['server']}): {item['because']}"]
    for said, name in (("Allowed", "allowed"), ("After an approval", "needs_approval"), ("Not", "not_allowed")):
        if item[name]:
            parts.append(f"{said}: {' '.join(item[name])}.")
    if item["who_decides"]:
        parts.append(f"Who decides: {item['who_decides']}.")
    return " ".join([*parts, item["next"]]).strip()


SERVER_ITEM = answers(
    server=TEXT,
    name=TEXT,
    outcome=TEXT,
    allowed=TEXTS,
    needs_approval=TEXTS,
    not_allowed=TEXTS,
    because=TEXT,
    who_decides=TEXT,
    next=TEXT,
)
CALL_ARGUMENTS = {**OBJECT, "description": "The arguments of the call of `tool`."}
TOOLS = (
    Tool(
        name="explain_access",
        title="Explain access",
        description=(
            "What this agent may reach, and why not. With `server`: the decision for each of its scopes, or for a call"
            " of one of its tools, and who could approve what is missing. Without: all MCP servers in reach."
        ),
        scope=READ,
        takes=takes(
            server=text("The URL of an MCP server, as its metadata says it."),
            scopes=texts("Of its scopes; left out: all."),
            tool=text("Decide a call of this tool; left out: a token.", 128),
            arguments=CALL_ARGUMENTS,
            **WHOSE,
        ),
        answers=answers(servers=list_of(SERVER_ITEM)),
        hints=READS,
        run=explain,
    ),
)
