"""JSON-RPC messages of MCP, as a gateway passes them on: read in one way, or not at all."""

import json
from dataclasses import replace
from typing import Any

import pytest

from authz.protocol.mcp_messages import MAX_MESSAGES, Message, MessageError, read
from authz.protocol.strict_json import StrictJsonError

pytestmark = pytest.mark.any_database


def rpc(method: str = "tools/call", params: Any = None, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, **({} if params is None else {"params": params}), **more}


PAY = {"name": "pay", "arguments": {"amount": 5}}
PING = rpc("ping")
PAYING = Message(id=1, method="tools/call", tool="pay", arguments={"amount": 5})


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (rpc(params=PAY), [PAYING]),
        (rpc(params={"name": "pay"}), [Message(id=1, method="tools/call", tool="pay")]),
        (rpc(params={"name": "pay", "arguments": None}), [Message(id=1, method="tools/call", tool="pay")]),
        (PING | {"id": "a"}, [Message(id="a", method="ping")]),
        ({"jsonrpc": "2.0", "method": "notifications/x"}, [Message(id=None, method="notifications/x")]),
        ({"jsonrpc": "2.0", "id": 5, "result": {}}, [Message(id=None, method="")]),
        ({"jsonrpc": "2.0", "id": 5, "error": {"code": 1, "message": "x"}}, [Message(id=None, method="")]),
        # A call that expects no answer is a call.
        ({"jsonrpc": "2.0", "method": "tools/call", "params": PAY}, [replace(PAYING, id=None)]),
        ([PING, rpc(params=PAY)], [Message(id=1, method="ping"), PAYING]),
        # Another method has other parameters.
        (rpc("resources/read", {"Name": "x"}), [Message(id=1, method="resources/read")]),
    ],
)  # fmt: skip
def test_what_is_read(body: Any, messages: list[Message]) -> None:
    assert list(read(json.dumps(body).encode())) == messages


@pytest.mark.parametrize(
    "body",
    [
        [],
        [PING] * (MAX_MESSAGES + 1),
        [5],
        [[PING]],
        {},
        PING | {"jsonrpc": "1.0"},
        {"id": 1, "method": "ping"},
        PING | {"method": ""},
        PING | {"method": 5},
        PING | {"method": None},
        PING | {"method": "x" * 256},
        PING | {"id": None},
        PING | {"id": 1.5},
        PING | {"id": True},
        PING | {"id": {}},
        PING | {"result": {}},
        rpc(params=PAY) | {"error": {}},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "result": {}},
        {"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}},
        rpc(),
        rpc(params=[]),
        rpc(params={}),
        rpc(params={"name": ""}),
        rpc(params={"name": 5}),
        rpc(params={"name": "x" * 20_000}),
        rpc(params={"name": "pay", "arguments": []}),
        rpc(params={"name": "pay", "arguments": "x"}),
        # Attack: a second spelling, for a server whose JSON library does not mind the case.
        PING | {"Method": "tools/call"},
        PING | {"METHOD": "tools/call", "Params": PAY},
        PING | {"Params": PAY},
        rpc(params={"name": "search", "Name": "pay"}),
        rpc(params=PAY | {"Arguments": {"amount": 5000}}),
        rpc(params=PAY | {"argumentſ": {"amount": 5000}}),  # a long s
    ],
)
def test_what_is_not_read(body: Any) -> None:
    with pytest.raises(MessageError):
        read(json.dumps(body).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"ping",
        b'"ping"',
        b"5",
        b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "method": "tools/call"}',
        b'[{"jsonrpc": "2.0", "id": 1, "method": "ping", "method": "tools/call"}]',
        b'{"jsonrpc": "2.0", "id": 1, "method": "ping"',  # cut
        b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}{}',
        b"\xef\xbb\xbf{}",
        json.dumps(PING).encode("utf-16"),
        b'{"jsonrpc": "2.0", "id": 9007199254740993, "method": "ping"}',
        b"[" * 40 + b"]" * 40,
    ],
)
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(StrictJsonError):
        read(body)
