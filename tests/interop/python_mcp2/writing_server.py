"""A fastmcp server of which each call needs `mcp:write`: python writing_server.py PORT METADATA_URL."""

import sys
from typing import Any

import requests
import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth import AccessToken, RemoteAuthProvider, TokenVerifier
from fastmcp.server.auth.providers.jwt import JWTVerifier

port, metadata_url = int(sys.argv[1]), sys.argv[2]
metadata: dict[str, Any] = requests.get(metadata_url, timeout=10).json()
base_url = f"http://127.0.0.1:{port}"


class Verifier(TokenVerifier):
    """A token without the scope is told insufficient_scope; JWTVerifier alone calls it invalid."""

    def __init__(self) -> None:
        super().__init__(required_scopes=["mcp:write"])
        self.signature = JWTVerifier(
            jwks_uri=metadata["jwks_uri"], issuer=metadata["issuer"], audience=f"{base_url}/mcp"
        )

    async def verify_token(self, token: str) -> AccessToken | None:
        return await self.signature.verify_token(token)


verifier = Verifier()
auth = RemoteAuthProvider(token_verifier=verifier, authorization_servers=[metadata["issuer"]], base_url=base_url)
server: Any = FastMCP("Notes", auth=auth)


@server.tool
def write_note() -> dict[str, bool]:
    """Write a note."""
    return {"written": True}


uvicorn.run(server.http_app(path="/mcp"), host="127.0.0.1", port=port, log_level="info")
