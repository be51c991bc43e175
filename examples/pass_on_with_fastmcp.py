"""A fastmcp server that passes a call on: it exchanges the token that it was called with for one of the next server.

    search = NextServer("https://auth.example.com/o", "notes-server", SECRET, "https://search.example.com/mcp")

    @mcp.tool
    async def find(words: str) -> str:
        return await search.call("find", {"words": words})

The person who called stays the subject; a token is kept until it expires, one for each token that it was got for. Where
tokens are bound to keys, it shows a key of its own, at the exchange and at the next server: `NextServer(…, key=key)`.
"""

import time
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from fastmcp import Client
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_access_token
from prove_with_httpx import BoundToken, proof

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  an identifier, not a secret


class NextServer:
    """An MCP server that this one calls for its callers."""

    def __init__(
        self, issuer: str, client_id: str, client_secret: str, url: str, key: EllipticCurvePrivateKey | None = None
    ) -> None:
        self.issuer, self.url, self._key = issuer, url, key
        self._basic = (client_id, client_secret)
        self._tokens: dict[str, tuple[str, float]] = {}

    async def call(self, tool: str, arguments: dict[str, Any]) -> str:
        """The text that the tool answers. Raises ToolError where the exchange, or the next server, refuses."""
        called_with = get_access_token()
        if called_with is None:
            raise ToolError("This server was called without a token.")
        token = await self._token(called_with.token)
        auth = BoundToken(self._key, token) if self._key else token
        async with Client(self.url, auth=auth) as client:
            answer = await client.call_tool(tool, arguments)
        return str(answer.content[0].text)  # type: ignore[union-attr]  # a text

    async def _token(self, called_with: str) -> str:
        found, ends = self._tokens.get(called_with, ("", 0.0))
        if time.time() < ends - 5:
            return found
        form = {
            "grant_type": EXCHANGE,
            "subject_token": called_with,
            "subject_token_type": ACCESS_TOKEN,
            "resource": self.url,
        }
        address = f"{self.issuer}/token"
        headers = {"DPoP": proof(self._key, "POST", address)} if self._key else {}
        async with httpx2.AsyncClient(timeout=10) as http:
            answer = (await http.post(address, data=form, auth=self._basic, headers=headers)).json()
        if "access_token" not in answer:
            raise ToolError(f"{answer['error']}: {answer.get('error_description', '')}")
        self._tokens = {key: kept for key, kept in self._tokens.items() if kept[1] > time.time()}
        self._tokens[called_with] = (answer["access_token"], time.time() + answer["expires_in"])
        return str(answer["access_token"])
