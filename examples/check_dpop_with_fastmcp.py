"""Bound tokens at a fastmcp server (DPoP, RFC 9449): a call is let in only with the key that its token is bound to.

    verifier = BoundTokenVerifier(jwks_uri=f"{issuer}/jwks", issuer=issuer, audience=URL, algorithm="ES256")
    auth = RemoteAuthProvider(token_verifier=verifier, authorization_servers=[issuer], base_url=URL)
    mcp = FastMCP("Payroll", auth=auth)
    uvicorn.run(ShownProof(mcp.http_app(path="/mcp")), port=9000)

`check_dpop_proof.py` stands beside this file; its `URL` is your server's address.
"""

from contextvars import ContextVar
from typing import Any

from check_dpop_proof import check_proof
from fastmcp.server.auth import AccessToken
from fastmcp.server.auth.providers.jwt import JWTVerifier

_SHOWN: ContextVar[tuple[str, str, str | None]] = ContextVar("shown", default=("", "", None))


class ShownProof:
    """Around the application. fastmcp reads tokens of the scheme Bearer alone, so this keeps what the request shows and
    hands its token on as one.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
            scheme, _, token = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1").partition(" ")
            # Several proofs are none: `check_proof` takes no comma.
            proof = ",".join(value.decode("latin-1") for name, value in headers if name == b"dpop")
            _SHOWN.set((scope["method"], scheme, proof or None))
            if scheme.lower() in ("bearer", "dpop"):
                headers.append((b"authorization", f"Bearer {token.strip()}".encode("latin-1")))
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)


class BoundTokenVerifier(JWTVerifier):
    """Verifies the token, and then that the request shows its key."""

    async def verify_token(self, token: str) -> AccessToken | None:
        found = await super().verify_token(token)
        if found is None:
            return None
        method, scheme, proof = _SHOWN.get()
        try:
            check_proof(method, scheme, token, found.claims, proof)
        except Exception:  # whatever is wrong with a stranger's proof: not let in
            return None
        return found
