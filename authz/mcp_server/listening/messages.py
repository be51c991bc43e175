"""The messages on a stream (2026-07-28, Subscriptions)."""

from collections.abc import Mapping
from typing import Any

from authz.mcp_server import sse
from authz.mcp_server.asked import Asked

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


def notification(asked: Asked, method: str, params: Mapping[str, Any]) -> bytes:
    """> All notifications delivered on the stream carry io.modelcontextprotocol/subscriptionId in _meta"""
    return sse.message({"jsonrpc": "2.0", "method": method, "params": {"_meta": _meta(asked), **params}})


def result(asked: Asked) -> bytes:
    """> When the server ends a subscription on its own initiative […], it SHOULD respond to the original
    > subscriptions/listen request with a completion result before closing the stream.

    `notifications/cancelled` ends streams on stdio alone (2026-07-28, the schema's `CancelledNotification`).
    """
    found = {"resultType": "complete", "_meta": _meta(asked)}
    return sse.message({"jsonrpc": "2.0", "id": asked.message.id, "result": found})


def _meta(asked: Asked) -> dict[str, Any]:
    return {SUBSCRIPTION: asked.message.id}
