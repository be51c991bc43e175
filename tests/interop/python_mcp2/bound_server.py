"""A fastmcp server that lets in bound tokens with their key, and passes calls on with a key of its own:
python bound_server.py, with a JSON object as its argument: url, issuer, jwks_uri, client_id, secret, and next, the URL
of the server that it calls (none at the end).
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.dependencies import get_access_token

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples"))
import check_dpop_proof
from check_dpop_with_fastmcp import BoundTokenVerifier, ShownProof
from pass_on_with_fastmcp import NextServer

given: dict[str, Any] = json.loads(sys.argv[1])
check_dpop_proof.URL = url = given["url"]
verifier = BoundTokenVerifier(jwks_uri=given["jwks_uri"], issuer=given["issuer"], audience=url, algorithm="RS256")
auth = RemoteAuthProvider(
    token_verifier=verifier, authorization_servers=[given["issuer"]], base_url=url.removesuffix("/mcp")
)
server: Any = FastMCP(given["client_id"], auth=auth)
key = ec.generate_private_key(ec.SECP256R1())
following = (
    NextServer(given["issuer"], given["client_id"], given["secret"], given["next"], key) if given["next"] else None
)


@server.tool
async def find(words: str) -> str:
    """Ask the next server, or answer: through which agent."""
    if following is not None:
        return await following.call("find", {"words": words})
    token = get_access_token()
    assert token is not None
    return f"{words}, asked by {token.claims['act']['sub']}"


uvicorn.run(ShownProof(server.http_app(path="/mcp")), host="127.0.0.1", port=urlsplit(url).port, log_level="info")
