"""A fastmcp server that passes calls on: python passing_server.py, with a JSON object as its argument: port, issuer,
client_id, secret, scope, and next, the URL of the server that it calls (none at the end of the chain).
"""

import json
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier
from fastmcp.server.dependencies import get_access_token

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples"))
from pass_on_with_fastmcp import NextServer

given: dict[str, Any] = json.loads(sys.argv[1])
base_url = f"http://127.0.0.1:{given['port']}"
# Each call is asked about: what has ended has ended at once.
verifier = IntrospectionTokenVerifier(
    introspection_url=f"{given['issuer']}/introspect",
    client_id=given["client_id"],
    client_secret=given["secret"],
    required_scopes=[given["scope"]],
)
auth = RemoteAuthProvider(token_verifier=verifier, authorization_servers=[given["issuer"]], base_url=base_url)
server: Any = FastMCP(given["client_id"], auth=auth)
following = NextServer(given["issuer"], given["client_id"], given["secret"], given["next"]) if given["next"] else None


def actors(act: dict[str, Any] | None) -> list[str]:
    return [act["sub"], *actors(act.get("act"))] if act else []


@server.tool
async def find(words: str) -> str:
    """Ask the next server, or answer: for which person, and through which agents."""
    if following is not None:
        return await following.call("find", {"words": words})
    token = get_access_token()
    assert token is not None
    said = [token.claims["username"], *reversed(actors(token.claims.get("act")))]
    return f"{words} for {' → '.join(said)}"


uvicorn.run(server.http_app(path="/mcp"), host="127.0.0.1", port=given["port"], log_level="info")
