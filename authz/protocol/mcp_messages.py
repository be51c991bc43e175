"""The body of a request to an MCP server: JSON-RPC messages, read so that no server reads another call in them (pure).

> The body of the POST request MUST be a single JSON-RPC request, notification, or response. (MCP, Streamable HTTP)

An older version of MCP has batches; each message of a batch is read like a single one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from authz.protocol import strict_json

TOOLS_CALL = "tools/call"
MAX_MESSAGES = 100
LONGEST_METHOD, LONGEST_TOOL = 255, 16 * 1024
# Members that mean something, at the top and in the parameters of a call.
_MEMBERS = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_OF_A_CALL = frozenset({"name", "arguments"})


class MessageError(ValueError):
    """A body that is no message of MCP, or one that can be read in two ways. Its text is fixed: nothing of the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `method` is "" for an answer to a request of the server. `tool` and `arguments` belong to a call;
    `id` is None for what expects no answer.
    """

    id: str | int | None
    method: str
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_call(self) -> bool:
        return self.method == TOOLS_CALL


def read(body: bytes) -> tuple[Message, ...]:
    """The messages of a body, at least one. Raises `MessageError`, and `StrictJsonError` for its JSON."""
    found = strict_json.read_message(body)
    items = found if isinstance(found, list) else [found]
    if not 0 < len(items) <= MAX_MESSAGES:
        raise MessageError(f"A batch has to hold 1 to {MAX_MESSAGES} messages.")
    return tuple(_message(item) for item in items)


def _message(item: Any) -> Message:
    if not isinstance(item, dict):
        raise MessageError("A message has to be a JSON object.")
    _in_one_spelling(item, _MEMBERS)
    if item.get("jsonrpc") != "2.0":
        raise MessageError("`jsonrpc` has to be 2.0.")
    if "method" not in item:
        return _answer(item)
    # Attack: a server takes it for an answer, or for a request, as it likes.
    if "result" in item or "error" in item:
        raise MessageError("A message has to be a request or an answer.")
    method = item["method"]
    if not isinstance(method, str) or not 0 < len(method) <= LONGEST_METHOD:
        raise MessageError(f"`method` has to be a string of 1 to {LONGEST_METHOD} characters.")
    if method != TOOLS_CALL:
        return Message(id=_id(item), method=method)
    # Attack: a call without an id. A server may make it all the same, so it is read like any other.
    return _call(item, item.get("params"))


def _call(item: Mapping[str, Any], params: object) -> Message:
    if not isinstance(params, dict):
        raise MessageError("`params` of a call has to be an object.")
    _in_one_spelling(params, _OF_A_CALL)
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_TOOL:
        raise MessageError("`params.name` of a call has to be a string.")
    if arguments is not None and not isinstance(arguments, dict):
        raise MessageError("`params.arguments` of a call has to be an object.")
    return Message(id=_id(item), method=TOOLS_CALL, tool=name, arguments=arguments or {})


def _answer(item: Mapping[str, Any]) -> Message:
    if ("result" in item) == ("error" in item) or "id" not in item:
        raise MessageError("A message has to be a request, a notification or an answer.")
    return Message(id=None, method="")


def _id(item: Mapping[str, Any]) -> str | int | None:
    found = item.get("id")
    # > Requests MUST include a string or integer ID. Unlike base JSON-RPC, the ID MUST NOT be null. (MCP, Messages)
    if "id" in item and (isinstance(found, bool) or not isinstance(found, str | int)):
        raise MessageError("`id` has to be a string or an integer.")
    return found


def _in_one_spelling(members: Iterable[str], known: frozenset[str]) -> None:
    """Attack: `Method` beside `method`. A server whose JSON library does not mind the case reads the other one."""
    for name in members:
        if name not in known and name.casefold() in known:
            raise MessageError("A member has the name of another one in other letters.")
