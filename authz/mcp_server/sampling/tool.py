"""`ask_audit`, and the tools that the client's model may use for it."""

from typing import NoReturn

from authz.configuration.mcp_resource import AUDIT
from authz.mcp_server.asked import Asked
from authz.mcp_server.caller import Caller
from authz.mcp_server.catalog import TOOLS
from authz.mcp_server.schemas import TEXT, answers, list_of, takes, text
from authz.mcp_server.tool import READS, Call, Tool, ToolError
from authz.mcp_server.tools.auditing import SEES_AUDIT

NAME = "ask_audit"
LONGEST_QUESTION = 1000
# By name, so that a new tool is none of them until someone has thought of it.
_READABLE = ("search_audit", "event_history", "prove_event", "who_reaches")


def offered_to(caller: Caller) -> dict[str, Tool]:
    """What the model may use: what reads the audit, and the caller itself may use."""
    found = {name: TOOLS[name] for name in _READABLE}
    return {
        name: tool
        for name, tool in found.items()
        if tool.hints["readOnlyHint"] and tool.scope in caller.scopes and caller.may(tool.permission)
    }


def is_offered(asked: Asked) -> bool:
    """Whether this client sees `ask_audit`: its model may be asked, and the caller may read the audit."""
    caller = asked.caller
    return bool(asked.session) and TOOL.scope in caller.scopes and caller.may(TOOL.permission)


def is_asked(asked: Asked) -> bool:
    """Whether a request calls it. To clients whose model cannot be asked it is an unknown tool."""
    message = asked.message
    return bool(asked.session) and message.method == "tools/call" and message.params.get("name") == NAME


def _run(call: Call) -> NoReturn:
    # It is answered by a stream (questions.py), and a model may not ask in its turn.
    raise ToolError("A question is asked by a client, over a stream.")


_STATEMENT = answers(
    text=TEXT,
    supported={"type": "boolean"},
    events=list_of(answers(id={"type": "integer"}, url=TEXT, event=TEXT, time=TEXT)),
)
TOOL = Tool(
    name=NAME,
    title="Ask the audit",
    description=(
        "Answers a question about the audit in words. Your own model reads the audit for it, by tools that only read"
        " and with your rights; each statement of the answer links the events that it names. A statement that names no"
        " event which was read is marked as not supported."
    ),
    scope=AUDIT,
    permission=SEES_AUDIT,
    takes=takes(
        ("question",), question=text("The question, such as: Who approved the payroll agent?", LONGEST_QUESTION)
    ),
    answers=answers(
        statements=list_of(_STATEMENT),
        not_supported={"type": "integer"},
        events_read={"type": "integer"},
        rounds={"type": "integer"},
    ),
    hints=READS,
    run=_run,
)
