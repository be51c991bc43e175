"""What came of a call, as `tools/call` answers it."""

from typing import Any

from authz.mcp_server.tool import Done, NeedsInput
from authz.protocol import compact_json

_json = compact_json.writer(ensure_ascii=False)


def of(outcome: Done | NeedsInput) -> dict[str, Any]:
    if isinstance(outcome, NeedsInput):
        return {"resultType": "input_required", "inputRequests": dict(outcome.requests)}
    return done(outcome)


def done(outcome: Done) -> dict[str, Any]:
    """> a tool that returns structured content SHOULD also return the serialized JSON in a TextContent block"""
    return {
        "content": [{"type": "text", "text": outcome.text}, {"type": "text", "text": _json(dict(outcome.data))}],
        "structuredContent": dict(outcome.data),
        "isError": outcome.is_error,
    }


def failed(sentence: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": sentence}], "isError": True}
