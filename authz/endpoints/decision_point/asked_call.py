"""What is called: an AuthZEN request as a call of a tool (COAZ-MCP binding, default mappings).

tools/call of a resource of type `tool`   the tool is the resource's id; `action.properties.arguments` are its arguments
another method of MCP                     no tool: the token alone decides
anything else                             the action is the tool, and the entities' properties are its arguments, as in
                                          a mapping that an MCP server declares, or in AuthZEN's certification
"""

from collections.abc import Mapping
from typing import Any

from authz import resources
from authz.decisions.calls import Call, digest_of, shown_of
from authz.models import ProtectedResource
from authz.policy import ToolCall
from authz.protocol.authzen import Evaluation, MalformedError

TOOL = "tool"
# The resource's type where a gateway's check is asked about: a message as it is. No request can say it.
MESSAGE = ""
# > A request whose method has neither a default mapping defined by this binding nor an applicable declared mapping, and
# > that is not in the pass-through set above, MUST be denied (COAZ-MCP, Unknown Methods)
METHODS = frozenset(
    {
        "initialize", "tools/list", "resources/list", "resources/templates/list", "resources/read",
        "resources/subscribe", "resources/unsubscribe", "prompts/list", "prompts/get", "completion/complete",
        "logging/setLevel", "tasks/get", "tasks/result", "tasks/cancel", "tasks/list", "server/discover",
        "subscriptions/listen",
    }
)  # fmt: skip
# > `ping` - all notifications (`notifications/*`), which carry no `id` and expect no response (Pass-through Operations)
# At a gateway also what is no request of a client: a stream that is opened, the end of a session, an answer.
_PASSES, NOTIFICATIONS = "ping", "notifications/"
NO_REQUEST = ""


def call_of(asked: Evaluation, server: ProtectedResource) -> Call | None:
    """What the request calls; None for what isn't known. Raises `MalformedError`."""
    method = asked.action.name
    if asked.resource.type == TOOL:
        return _of_tool(asked.resource.id, _arguments(asked), asked, server)
    is_message = asked.resource.type == MESSAGE
    if method in METHODS or (is_message and passes(method)):
        return Call(tool=None, method=method, scopes=_scopes(asked))
    if "/" in method or is_message:
        return None
    return _of_tool(method, _entities(asked), asked, server)


def passes(method: str) -> bool:
    """Whether a gateway lets it pass for any token that is good at the MCP server."""
    return method in (_PASSES, NO_REQUEST) or method.startswith(NOTIFICATIONS)


def _of_tool(name: str, arguments: Mapping[str, Any] | None, asked: Evaluation, server: ProtectedResource) -> Call:
    tool = ToolCall(
        name=name,
        labels=resources.labels_of_tool(server, name),
        arguments=arguments,
        digest=digest_of(server.identifier, name, arguments),
    )
    shown = shown_of(arguments, resources.shown_arguments_of(server))
    return Call(tool=tool, method="tools/call", scopes=_scopes(asked), shown=shown)


def _arguments(asked: Evaluation) -> Mapping[str, Any] | None:
    """The arguments of a call; None if they were not sent. In one place only, or two readers could read two."""
    places = (asked.action.properties, asked.resource.properties, asked.context)
    found = [place["arguments"] for place in places if "arguments" in place]
    if len(found) > 1:
        raise MalformedError("arguments", "has to be in one place only")
    if found and not isinstance(found[0], Mapping):
        raise MalformedError("arguments", "has to be an object")
    return found[0] if found else None


def _entities(asked: Evaluation) -> Mapping[str, Any]:
    resource = {name: value for name, value in asked.resource.properties.items() if name != "server"}
    return {
        "subject": dict(asked.subject.properties),
        "action": dict(asked.action.properties),
        "resource": {**resource, "type": asked.resource.type, "id": asked.resource.id},
    }


def _scopes(asked: Evaluation) -> tuple[str, ...] | None:
    """The scopes that the call needs, if the MCP server says it."""
    given = asked.action.properties.get("scopes")
    if given is None:
        return None
    if not isinstance(given, list) or not given or not all(isinstance(name, str) for name in given):
        raise MalformedError("action.properties.scopes", "has to be a list of scopes")
    return tuple(dict.fromkeys(given))
