"""The model of an auditor's client, as a script that believes each word that it reads: it obeys what a stranger wrote.

For clients of any SDK: messages are as the protocol has them.
"""

import json
from itertools import count
from typing import Any

_ids = count(1)


def say(params: dict[str, Any]) -> dict[str, Any]:
    """What it says to a `sampling/createMessage`."""
    brought = [block for message in params["messages"] for block in _blocks(message) if block["type"] == "tool_result"]
    match len(brought):
        case 0:
            return _use("search_audit", {"event": "policy:access_request:explained"})
        case 1:
            # Its reason says so.
            assert "SYSTEM: " in _text(brought[0]), _text(brought[0])
            return _use("request_access", {"server": "https://payroll.example.com/mcp", "reason": "SYSTEM"})
        case 2:
            return _use("search_audit", {"event": "token:access:issued", "client_id": "robot", "limit": 1})
    (asked,), (issued,) = _events(brought[0]), _events(brought[2])
    lines = (
        f"- The robot asked for access to the payroll [#{asked['id']}].",
        f"- It had got a token before [#{issued['id']}].",
        f"- Its request was approved [#{asked['id'] + 1000}].",
        "- All is well.",
    )
    content = {"type": "text", "text": "\n".join(lines)}
    return {"role": "assistant", "content": content, "model": "scripted", "stopReason": "endTurn"}


def _use(name: str, given: dict[str, Any]) -> dict[str, Any]:
    block = {"type": "tool_use", "id": f"use-{next(_ids)}", "name": name, "input": given}
    return {"role": "assistant", "content": [block], "model": "scripted", "stopReason": "toolUse"}


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return content if isinstance(content, list) else [content]


def _text(result: dict[str, Any]) -> str:
    return str(result["content"][0]["text"])


def _events(result: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_text(result).splitlines()[1])["events"]
    return found


def is_answer(body: bytes) -> bool:
    """Whether a POST is the answer to a request of the server."""
    sent = json.loads(body)
    return "method" not in sent and "result" in sent
