"""Another product's resource authorization server: fastmcp, which redeems ID-JAGs for its own Notes.

python fastmcp_house.py PORT TRUSTED_ISSUER JWKS_URI
"""

import os
import sys
from typing import Any

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth import IdentityAssertion, OAuthProxy
from fastmcp.server.auth.providers.jwt import JWTVerifier

port, issuer, jwks_uri = int(sys.argv[1]), sys.argv[2], sys.argv[3]
here = f"http://127.0.0.1:{port}"

server = FastMCP(
    "Notes",
    auth=OAuthProxy(
        upstream_authorization_endpoint=f"{issuer}/authorize",
        upstream_token_endpoint=f"{issuer}/token",
        upstream_client_id=os.environ.get("FASTMCP_CLIENT", "assistant-at-fastmcp"),
        jwt_signing_key="a key of fastmcp's own, for one test run",
        token_verifier=JWTVerifier(jwks_uri=jwks_uri, issuer=issuer),
        base_url=here,
        identity_assertion=IdentityAssertion(trusted_issuers=[issuer], jwks_uris={issuer: jwks_uri}),
    ),
)


@server.tool
def read_notes() -> dict[str, Any]:
    """The notes."""
    return {"notes": ["The gate is shut at ten"]}


uvicorn.run(server.http_app(path="/mcp"), host="127.0.0.1", port=port)
