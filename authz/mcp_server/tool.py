"""What a tool is, what it is given, and what may come of a call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from authz.mcp_server.caller import Caller
from authz.models import McpTask
from authz.protocol.mcp import Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. `arguments` fit the tool's input schema. `responses` answer what an earlier attempt asked the client
    for, by its key, and may be anything.
    """

    caller: Caller
    arguments: Mapping[str, Any]
    client: Envelope
    responses: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """A result: a sentence for people and models, and the same as data, which fits the output schema."""

    text: str
    data: Mapping[str, Any]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class NeedsInput:
    """The client is asked for something first, by key (2026-07-28, Multi Round-Trip Requests)."""

    requests: Mapping[str, Any]


class ToolError(Exception):
    """Why the tool could not do it, in words from which a model can go on. The result has `isError`."""


Outcome = Done | NeedsInput | McpTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool.

    scope       that a token needs for it.
    permission  the right of the console that the person needs, too; "" for everyone's.
    hints       its annotations besides `title`.
    """

    name: str
    title: str
    description: str
    scope: str
    permission: str = ""
    takes: Mapping[str, Any]
    answers: Mapping[str, Any]
    hints: Mapping[str, bool]
    run: Callable[[Call], Outcome]

    def as_item(self) -> dict[str, Any]:
        """As `tools/list` shows it."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": dict(self.takes),
            "outputSchema": dict(self.answers),
            "annotations": {"title": self.title, **self.hints},
        }


READS: Mapping[str, bool] = {"readOnlyHint": True, "openWorldHint": False}
