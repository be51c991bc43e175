"""Messages as server-sent events (Streamable HTTP). Without event ids: a stream that broke is not resumed."""

from collections.abc import Mapping
from typing import Any

from authz.protocol import compact_json

_json = compact_json.writer()
# A comment, which readers skip. It shows whether there is one.
BEAT = b": waiting\n\n"


def message(body: Mapping[str, Any]) -> bytes:
    # No line break can be in it: JSON escapes them.
    return f"event: message\ndata: {_json(dict(body))}\n\n".encode()


def request(identifier: str, method: str, params: Mapping[str, Any]) -> bytes:
    return message({"jsonrpc": "2.0", "id": identifier, "method": method, "params": dict(params)})
