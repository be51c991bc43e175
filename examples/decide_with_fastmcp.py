"""Asks Gatehouse before each call of a tool. Copy this file beside your fastmcp server."""

import asyncio
import base64
import json
from typing import Any
from urllib.request import Request, urlopen

from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_access_token
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp.shared.exceptions import UrlElicitationRequiredError
from mcp_types import ElicitRequestURLParams


class Decisions(Middleware):
    """`seconds`: how long a call waits for its decision. Without one it is not made."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, seconds: float = 3) -> None:
        self.base, self.seconds = f"{issuer}/access/v1", seconds
        self.basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        token, call = get_access_token(), context.message
        asked = {
            "subject": {"type": "token", "id": token.token if token else "none"},
            "action": {"name": "tools/call", "properties": {"arguments": call.arguments or {}}},
            "resource": {"type": "tool", "id": call.name},
        }
        answer = await self._post("evaluation", asked)
        if answer["decision"] is True:
            return await call_next(context)
        why, hint = answer["context"]["reason_user"]["403"], answer["context"].get("access_request")
        if hint is None:
            raise ToolError(why)
        denial = {"binding_token": hint["binding_token"], "expires_at": hint["expires_at"]}
        task = (await self._post("requests", {**asked, "denial": denial}))["task"]
        page = task["links"]["ticket"]
        can = context.fastmcp_context.session.client_capabilities if context.fastmcp_context else None
        if can and can.elicitation and can.elicitation.url is not None:
            shown = ElicitRequestURLParams(message=why, url=page, elicitation_id=task["id"])
            raise UrlElicitationRequiredError([shown], why)
        raise ToolError(f"{why} The request is at {page}. Make the same call again once it is approved.")

    async def _post(self, endpoint: str, body: Any) -> Any:
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._send, endpoint, body), self.seconds)
        except Exception as problem:  # whatever it is: no decision, no call
            raise ToolError("There is no decision on this call, so it is not made. Try again later.") from problem

    def _send(self, endpoint: str, body: Any) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {self.basic}"}
        request = Request(f"{self.base}/{endpoint}", json.dumps(body).encode(), headers)  # noqa: S310  the issuer
        with urlopen(request, timeout=self.seconds) as answer:  # noqa: S310
            return json.load(answer)
