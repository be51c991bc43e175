"""A real MCP server built with fastmcp: notes behind tokens of Gatehouse, which it verifies through Gatehouse's JWKS.

    python -m demo.notes_server PORT METADATA_URL [ALGORITHM]

What an author of a resource server writes is the two lines of JWTVerifier and RemoteAuthProvider.
"""

import sys
from typing import Any
from urllib.parse import urlsplit

import requests
import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token

NOTES = ["Buy milk", "The gate is shut at ten"]


def application(base_url: str, metadata: dict[str, Any], algorithm: str = "RS256") -> Any:
    """The ASGI application of the MCP server at `base_url`/mcp."""
    verifier = JWTVerifier(
        jwks_uri=metadata["jwks_uri"],
        issuer=metadata["issuer"],
        audience=f"{base_url}/mcp",
        algorithm=algorithm,
        required_scopes=["mcp:read"],
    )
    server = FastMCP(
        "Notes",
        auth=RemoteAuthProvider(
            token_verifier=verifier,
            authorization_servers=[
                metadata["issuer"]
            ],  # as a string: AnyHttpUrl would add a slash to an issuer without path
            base_url=base_url,
        ),
    )

    @server.tool
    def read_notes() -> dict[str, Any]:
        """The notes, and what the token says about the caller."""
        token = get_access_token()
        assert token is not None
        caller = {name: token.claims[name] for name in ("sub", "client_id", "scope") if name in token.claims}
        return {"notes": NOTES, "caller": caller}

    # No web page may talk to it through a browser on this machine (DNS rebinding).
    return server.http_app(
        path="/mcp", host_origin_protection=True, allowed_hosts=[urlsplit(base_url).netloc], allowed_origins=[]
    )


def main(port: int, metadata_url: str, algorithm: str = "RS256") -> None:
    metadata = requests.get(metadata_url, timeout=10).json()
    uvicorn.run(
        application(f"http://127.0.0.1:{port}", metadata, algorithm), host="127.0.0.1", port=port, log_level="info"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
