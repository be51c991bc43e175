"""The session of a client whose model may be asked: what it said that it can, under a MAC, and nothing that is stored.

It says one thing: this client, for this person, declared `sampling.tools`. It gives no right, since each request brings
its token; and any node can read it.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

from authz.conf import conf
from authz.endpoints.machine import Request
from authz.keys.secrets_at_rest import key_for, other_keys_for
from authz.mcp_server.caller import Caller
from authz.mcp_server.reasons import McpReason
from authz.mcp_server.refusing import refuse

# Of the revisions that begin with `initialize`, the only one with tools in sampling.
REVISION = "2025-11-25"
HEADER = "Mcp-Session-Id"
PURPOSE = "mcp sampling session"
_NONCE_LENGTH = 24


def issued(params: Mapping[str, Any], revision: str, caller: Caller) -> str:
    """The session for a client that begins, by the parameters of its `initialize`; "" for one that cannot.

    > Servers MUST NOT send tool-enabled sampling requests to Clients that have not declared support for tool use via
    > the sampling.tools capability. (2025-11-25, Sampling)
    """
    if not conf.mcp_sampling or revision != REVISION or not _declares_tools(params.get("capabilities")):
        return ""
    nonce = secrets.token_hex(_NONCE_LENGTH // 2)
    return f"{nonce}{_mac(key_for(PURPOSE), nonce, caller)}"


def session_of(request: Request, caller: Caller) -> str:
    """The session that a request names; "" if it names none. Raises `Refused` for one that is not the caller's.

    Attack: session fixation, and a session id that was stolen.
    """
    given = request.META.get("HTTP_MCP_SESSION_ID")
    if not conf.mcp_sampling or not given or request.META.get("HTTP_MCP_PROTOCOL_VERSION") != REVISION:
        return ""
    nonce, mac = given[:_NONCE_LENGTH], given[_NONCE_LENGTH:]
    keys = (key_for(PURPOSE), *other_keys_for(PURPOSE))
    if not any(hmac.compare_digest(mac.encode(), _mac(key, nonce, caller).encode()) for key in keys):
        raise refuse(McpReason.SESSION_OF_ANOTHER)
    return str(given)


def _declares_tools(capabilities: object) -> bool:
    sampling = capabilities.get("sampling") if isinstance(capabilities, Mapping) else None
    return isinstance(sampling, Mapping) and isinstance(sampling.get("tools"), Mapping)


def _mac(key: bytes, nonce: str, caller: Caller) -> str:
    about = json.dumps([nonce, caller.client.client_id, caller.token.subject])
    return hmac.new(key, about.encode(), hashlib.sha256).hexdigest()
