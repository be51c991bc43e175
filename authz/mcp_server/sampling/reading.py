"""What a client's model reads: each use of a tool is run for the auditor, by the same code as a call, and is data."""

import secrets
from dataclasses import dataclass, field

from authz.mcp_server import running
from authz.mcp_server.caller import Caller
from authz.mcp_server.events import McpEvent
from authz.mcp_server.reasons import McpReason
from authz.mcp_server.refusing import record
from authz.mcp_server.sampling import data
from authz.mcp_server.sampling.conversation import Brought, Use
from authz.mcp_server.sampling.tool import offered_to
from authz.mcp_server.tool import Call, Done, ToolError
from authz.models import AuditEvent
from authz.protocol.display_names import visible
from authz.protocol.mcp import Envelope

# Of how many of the latest calls of tools a reading's own is one.
_RECENT = 100


@dataclass(frozen=True, slots=True)
class Reading:
    """`came`: ok, failed or not_offered. `events`: how many it brought."""

    brought: Brought
    came: str
    events: int = 0

    def as_detail(self) -> dict[str, object]:
        return {"tool": visible(self.brought.use.name), "came": self.came, "events": self.events}


@dataclass(slots=True)
class Readings:
    """All of one conversation. `read`: the numbers of the events that the model has got."""

    conversation: str
    client: Envelope
    characters: int
    read: set[int] = field(default_factory=set)
    _count: int = 0

    def of(self, caller: Caller, use: Use) -> Reading:
        """Run one use with the caller's rights. Raises `UnrecordedError` for a refusal that cannot be recorded."""
        tool = offered_to(caller).get(use.name)
        # Attack: a text by a stranger tells the model to use what it was not offered.
        if tool is None:
            record(McpReason.SAMPLING_TOOL, detail=use.name)
            return Reading(Brought(use, "There is no such tool here. You can only read.", is_error=True), "not_offered")
        self._count += 1
        call = Call(caller=caller, arguments=use.given, client=self.client)
        try:
            outcome = running.run(tool, call, conversation=self.conversation, reading=self._count)
        except ToolError as error:
            return Reading(Brought(use, str(error), is_error=True), "failed")
        found = data.cut(outcome.data if isinstance(outcome, Done) else {}, self.characters)
        numbers = [int(use.given["event"])] if tool.name == "prove_event" else data.numbers(found)
        text = data.marked(tool.name, found, secrets.token_hex(8))
        if not numbers and (own := self._own_number()):
            self.read.add(own)
            text += f"\nIt holds no event. That this was read is event #{own}."
        self.read.update(numbers)
        return Reading(Brought(use, text), "ok", len(numbers))

    def _own_number(self) -> int | None:
        """The number of the event that recorded the latest reading, for statements that there is nothing."""
        recent = AuditEvent.objects.filter(event=McpEvent.TOOL_CALLED).order_by("-id")
        for number, detail in recent.values_list("pk", "detail")[:_RECENT]:
            if (detail.get("conversation"), detail.get("reading")) == (self.conversation, self._count):
                return int(number)
        return None
