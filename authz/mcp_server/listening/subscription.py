"""What a client listens for (2026-07-28, Subscriptions; Tasks, “Task Status Notifications”)."""

from collections.abc import Mapping

from authz import audit
from authz.configuration.mcp_resource import REQUEST
from authz.endpoints.event_stream import Channel, EventStream
from authz.endpoints.machine import Request
from authz.mcp_server import tasks
from authz.mcp_server.asked import Asked, require_scope
from authz.mcp_server.held import Held
from authz.mcp_server.listening import streams
from authz.mcp_server.listening.messages import notification, result
from authz.models import McpTask
from authz.protocol.mcp import RpcCode, RpcError

LISTEN = "subscriptions/listen"
MAXIMUM_TASKS = 50


def is_asked(asked: Asked) -> bool:
    return asked.envelope.is_modern and asked.message.method == LISTEN


def response(asked: Asked, request: Request) -> EventStream:
    """The stream. Raises `RpcError`, and `Refused`: without the scope that tasks need, and where no place is left."""
    # > The client MUST include an Accept header listing both application/json and text/event-stream
    if "text/event-stream" not in (request.META.get("HTTP_ACCEPT") or ""):
        raise RpcError(RpcCode.INVALID_REQUEST, "Accept text/event-stream.")
    found = _tasks(asked)
    # > Notification types the server does not support are omitted.
    honored = {"taskIds": [str(task.pk) for task in found]} if found else {}
    channel = Channel(result(asked), lambda: streams.forget(channel))
    # > The server MUST send notifications/subscriptions/acknowledged as the first message
    channel.put(notification(asked, "notifications/subscriptions/acknowledged", {"notifications": honored}))
    if found:
        streams.open_for(Held(asked, audit.current_origin()), channel, found)
    else:
        channel.end()
    return EventStream(channel)


def _tasks(asked: Asked) -> list[McpTask]:
    """The caller's tasks among those that it names."""
    wanted = asked.message.params.get("notifications")
    if not isinstance(wanted, Mapping):
        raise RpcError(RpcCode.INVALID_PARAMS, "notifications is an object.")
    named = wanted.get("taskIds")
    if named is None:
        return []
    # > If a client requests task status notifications but does not declare the […] extension capability, the server
    # > MUST return a JSON-RPC error specifying the missing capabilities
    tasks.require_extension(asked.envelope)
    require_scope(asked.caller, REQUEST, detail=LISTEN)
    if not isinstance(named, list) or len(named) > MAXIMUM_TASKS:
        raise RpcError(RpcCode.INVALID_PARAMS, f"taskIds is a list of at most {MAXIMUM_TASKS}.")
    found = {task.pk: task for one in named if (task := tasks.own(asked.caller, one, detail=LISTEN)) is not None}
    return list(found.values())
